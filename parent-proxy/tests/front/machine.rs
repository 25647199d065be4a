//! An enclave in a virtual machine, behind the Unix socket of its vsock device.

use crate::enclave::Enclave;
use crate::parent::Parent;
use cofferdam_wire::link::Message;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Stands before the stand-in enclave as vhost-device-vsock stands before a machine: one line, one line, then its bytes.
fn device(enclave: &Enclave, directory: &Path) -> String {
    let path = directory.join("vm.vsock");
    let listener = UnixListener::bind(&path).unwrap();
    let guest = enclave.address().strip_prefix("unix:").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((mut host, _)) = listener.accept().await {
            let guest = guest.clone();
            tokio::spawn(async move {
                let mut line = Vec::new();
                while !line.ends_with(b"\n") {
                    line.push(host.read_u8().await.unwrap());
                }
                assert_eq!(line, b"CONNECT 5000\n");
                // Where nobody listens in the machine, the device hangs up.
                let Ok(mut guest) = UnixStream::connect(&guest).await else {
                    return;
                };
                host.write_all(b"OK 1073741824\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut host, &mut guest).await;
            });
        }
    });
    format!("vsock-unix:{}:5000", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_parent_serves_an_enclave_in_a_virtual_machine_and_finds_it_again() {
    let parent = Parent::beside("admit = \"all\"", device).await;
    let large = vec![7; 40 * 1024];
    parent.post("/v1/requests", large.clone()).await.unwrap();
    assert_eq!(parent.enclave.asked(Message::Sealed), [large]);

    parent.enclave.stop();
    parent.enclave.restart();
    // The stream may be seen to end a moment later; then it is opened again.
    for _ in 0..500 {
        if parent.post("/v1/requests", vec![1]).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the enclave was not found again");
}
