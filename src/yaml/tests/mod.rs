//! Tests of the reader and of the emitters against recorded answers of go-yaml.

mod go;
mod read;
