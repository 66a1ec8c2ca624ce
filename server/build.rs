//! Generates the services between nodes from `proto/`, with protox: no protoc is needed. `Frame` is written by hand.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/peer.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".quorate.peer.v1.Frame", "crate::rpc::frame::Frame")
        .compile_fds(descriptors)?;
    Ok(())
}
