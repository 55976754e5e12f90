//! Tests of the reader and of the emitters against recorded answers of go-yaml.

mod canonical;
mod errors;
mod go;
mod limits;
mod read;
