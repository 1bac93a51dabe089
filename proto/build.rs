//! Compiles the contract with protox, so that nobody needs protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=crmscope");
    let files = protox::compile(["crmscope/v1/uplink.proto"], ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".crmscope.v1.Batch.payload")
        .bytes(".crmscope.v1.RulesPiece.data")
        .compile_fds(files)?;
    Ok(())
}
