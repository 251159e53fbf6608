//! Generates the gRPC stubs; the messages themselves are `lienthong_proto::wire`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto/wire");
    let files = ["../proto/wire/enrol.proto", "../proto/wire/sync.proto"];
    let descriptors = protox::compile(files, ["../proto/wire"])?;
    tonic_prost_build::configure()
        .extern_path(".lienthong.enrol.v1", "::lienthong_proto::wire::enrol")
        .extern_path(".lienthong.sync.v1", "::lienthong_proto::wire::sync")
        .compile_fds(descriptors)?;
    Ok(())
}
