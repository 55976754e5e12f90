//! The one integration binary: a module per verb, the builder they share, and the rules of the house.
//!
//! Whatever a table or a golden folder beside the code can prove is proved there; here is what needs the whole program.

mod attack;
mod browser;
#[cfg(feature = "post")]
mod ci;
mod cli;
mod compat;
mod diff;
mod errors;
#[cfg(feature = "post")]
mod forge;
mod formats;
mod from_git;
mod fuzz;
mod generated;
mod install;
mod layout;
#[cfg(not(any(feature = "cluster", feature = "post")))]
mod lean;
mod lint;
mod new;
mod parity;
#[cfg(feature = "post")]
mod post;
mod readme;
mod render;
mod renderer_version;
mod repo;

#[test]
fn no_file_of_tests_is_forgotten() {
    let text = repo::here().join("tests/test.rs");
    let text = std::fs::read_to_string(text).expect("it can be read");
    for entry in std::fs::read_dir(repo::here().join("tests")).expect("it can be listed") {
        let name = entry.expect("it can be listed").file_name().into_string().expect("names are UTF-8");
        if let Some(module) = name.strip_suffix(".rs") {
            assert!(
                module == "test" || text.contains(&format!("mod {module};")),
                "tests/test.rs lacks `mod {module};`"
            );
        }
    }
}
