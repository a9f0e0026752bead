//! Makes the stubs: protox reads the proto files, in place of a protoc that would have to be installed.

const PROTO: &str = "../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(
        [
            "twinpost/v1/record.proto",
            "twinpost/v1/producer_service.proto",
        ],
        [PROTO],
    )?;
    println!("cargo::rerun-if-changed={PROTO}");
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?;
    Ok(())
}
