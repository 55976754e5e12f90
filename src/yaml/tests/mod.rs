//! Tests of the reader and of the emitters against recorded answers of go-yaml.

mod canonical;
mod errors;
mod go;
mod head;
mod limits;
mod read;
