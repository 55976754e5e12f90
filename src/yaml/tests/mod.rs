//! Tests of the reader and of the emitters against recorded answers of go-yaml.

mod canonical;
mod go;
mod read;
