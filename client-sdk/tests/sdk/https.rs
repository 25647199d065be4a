//! The HTTPS client and the stream against a real listener.

use std::sync::Arc;

use cofferdam::session::Session;
use cofferdam::transport::{CallError, Client, Parent as _, Streamed};
use cofferdam_wire::Code;
use cofferdam_wire::kind::HashAlgorithm;

use crate::enclave::owner;
use crate::server::Server;
use crate::sessions::grant;

#[tokio::test]
async fn a_session_over_posts_and_over_a_stream() {
    let server = Server::start().await;
    let world = server.world();
    let client = || Client::new(&server.url, Some(&server.ca_pem)).unwrap();
    let app = owner();
    let granted = vec![grant(world, &app)];
    let posts = Session::open(client(), Arc::new(world.verifier()), granted, app)
        .await
        .unwrap();
    assert_eq!(
        posts
            .hash(HashAlgorithm::Sha256, vec![1; 1000])
            .await
            .unwrap(),
        vec![1; 1000]
    );

    let app = owner();
    let granted = vec![grant(world, &app)];
    let streamed = Streamed::new(client());
    let session = Session::open(streamed, Arc::new(world.verifier()), granted, app)
        .await
        .unwrap();
    let session = Arc::new(session);
    let calls: Vec<_> = (0..50u8)
        .map(|number| {
            let session = Arc::clone(&session);
            tokio::spawn(async move {
                session
                    .hash(HashAlgorithm::Sha256, vec![number; 2000])
                    .await
                    .unwrap()[0]
            })
        })
        .collect();
    for (number, call) in (0..50u8).zip(calls) {
        assert_eq!(call.await.unwrap(), number);
    }
    server
        .provider
        .played
        .faults
        .lock()
        .unwrap()
        .forget_sessions = true;
    assert!(session.random(3).await.is_ok());
}

#[tokio::test]
async fn a_server_under_another_root_is_not_talked_to() {
    let server = Server::start().await;
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .cert
        .pem();
    let client = Client::new(&server.url, Some(&other)).unwrap();
    let error = client.challenge(Vec::new()).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_comes_with_its_code() {
    let server = Server::start().await;
    let client = Client::new(&server.url, Some(&server.ca_pem)).unwrap();
    let error = client.call(vec![1, 2, 3]).await.unwrap_err();
    assert_eq!(error, CallError::refused(Code::Malformed));
}
