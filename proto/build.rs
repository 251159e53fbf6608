//! Compiles the wire messages and lists the catalogue's files for embedding.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed=wire");
    let mut protos = Vec::new();
    for file in std::fs::read_dir("wire")? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            protos.push(path);
        }
    }
    protos.sort();
    let descriptors = protox::compile(&protos, ["wire"])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;

    println!("cargo::rerun-if-changed=catalogue");
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("catalogue");
    let mut list = String::from("&[\n");
    for folder in ["", "codes", "records", "units"] {
        let mut files: Vec<_> = std::fs::read_dir(root.join(folder))?
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .map(|f| f.path())
            .collect();
        files.sort();
        for path in files {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if name.ends_with(".toml") || name.ends_with(".csv") {
                let place = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                writeln!(list, "({place:?}, include_str!({path:?})),")?;
            }
        }
    }
    list.push(']');
    std::fs::write(Path::new(&out).join("catalogue.rs"), list)?;
    Ok(())
}
