//! What passes through, and the limits around it.

use crate::parent::{Parent, outcome};
use cofferdam::crypto::kdf;
use cofferdam::layer;
use cofferdam_wire::id::{RecipientId, sha256};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::Layer;
use cofferdam_wire::link::Message;
use cofferdam_wire::transcript::{ChallengePlain, Proof, challenge_reply_input};
use cofferdam_wire::{Code, cbor, context, limits};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn sealed_bytes_pass_through_unchanged() {
    let parent = Parent::start().await;
    for (path, message) in [
        ("/v1/sessions", Message::OpenSession),
        ("/v1/requests", Message::Sealed),
    ] {
        assert_eq!(
            parent.post(path, vec![1, 2, 3]).await.unwrap(),
            vec![1, 2, 3]
        );
        assert_eq!(parent.enclave.asked(message), [[1, 2, 3]]);
    }
    let large = vec![9; limits::SEALED_REQUEST];
    assert_eq!(
        parent.post("/v1/requests", large.clone()).await.unwrap(),
        large
    );
    assert_eq!(
        parent.post("/v1/pushes", vec![4]).await.unwrap(),
        Vec::<u8>::new()
    );
    assert_eq!(parent.enclave.asked(Message::Push), [[4]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_bodies_over_their_limit_are_refused_unread() {
    let parent = Parent::start().await;
    for (path, limit) in [
        ("/v1/sessions", limits::SESSION_OPEN),
        ("/v1/requests", limits::SEALED_REQUEST),
    ] {
        assert_eq!(
            parent.post(path, vec![0; limit + 1]).await,
            Err(Code::TooLarge)
        );
        // The same without a declared length.
        let mut stream = parent.connect().await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = [
            format!("{:x}\r\n", limit + 1).into_bytes(),
            vec![0; limit + 1],
            b"\r\n0\r\n\r\n".to_vec(),
        ]
        .concat();
        stream.write_all(&chunk).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
    assert!(parent.enclave.asked(Message::OpenSession).is_empty());
    assert!(parent.enclave.asked(Message::Sealed).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_enclave_become_problems() {
    let parent = Parent::start().await;
    for code in [
        Code::SessionRefused,
        Code::RequestExpired,
        Code::NotReady,
        Code::Busy,
    ] {
        parent.enclave.refuse(Message::Sealed, code);
        assert_eq!(parent.post("/v1/requests", vec![0]).await, Err(code));
    }
    assert_eq!(parent.get("/v1/nothing").await, Err(Code::NotFound));
    assert_eq!(
        parent.get("/v1/requests").await,
        Err(Code::UnsupportedVersion)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_the_enclaves_with_our_keys_and_the_statement() {
    let parent = Parent::start().await;
    let proof = parent
        .get(&format!("/v1/evidence?nonce={}", "ab".repeat(32)))
        .await
        .unwrap();
    let proof: Proof = cbor::decode(&proof, limits::PROOF).unwrap();
    assert_eq!(
        proof.enclave.binding,
        [&[0x58, 32][..], &[0xab; 32]].concat(),
        "the nonce as CBOR bytes"
    );
    assert_eq!(proof.provider_keys.len(), 2);
    assert_eq!(
        proof.vendor_statement,
        std::fs::read(parent.directory.path().join("statement")).unwrap()
    );
    for bad in [
        "",
        "?nonce=",
        "?nonce=abcd",
        "?nonce=zz",
        &format!("?nonce={}&x=1", "ab".repeat(32)),
    ] {
        assert_eq!(
            parent.get(&format!("/v1/evidence{bad}")).await,
            Err(Code::Malformed),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t65_challenges_to_provider_keys_are_answered_by_a_mac_and_others_passed_on() {
    let parent = Parent::start().await;
    let proof = parent
        .get(&format!("/v1/evidence?nonce={}", "ab".repeat(32)))
        .await
        .unwrap();
    let proof: Proof = cbor::decode(&proof, limits::PROOF).unwrap();
    let (secret, transcript) = ([1; 32], [2; 32]);
    for key in &proof.provider_keys {
        let seal = |plain: &[u8]| {
            let sealed = layer::danger_seal(
                key.suite,
                &key.public,
                context::CHALLENGE,
                &key.id().0,
                b"",
                plain,
            )
            .unwrap();
            cbor::encode(&sealed)
        };
        let challenge = seal(&cbor::encode(&ChallengePlain {
            secret: &secret,
            transcript: &transcript,
        }));
        let reply = parent
            .post("/v1/challenges", challenge.clone())
            .await
            .unwrap();
        let input = challenge_reply_input(&transcript, &key.id(), &challenge);
        assert!(kdf::hmac_sha256_matches(&secret, &[&input], &reply));
        for plain in [
            cbor::encode(&ChallengePlain {
                secret: &[1; 31],
                transcript: &transcript,
            }),
            vec![],
            vec![0; 66],
        ] {
            assert_eq!(
                parent.post("/v1/challenges", seal(&plain)).await,
                Err(Code::UnwrapFailed)
            );
        }
    }
    assert!(parent.enclave.asked(Message::Challenge).is_empty());
    let elsewhere = cbor::encode(&Layer {
        suite: Suite::XWing,
        recipient: RecipientId([9; 32]),
        enc: vec![0; 1120],
        commitment: sha256(b""),
        ciphertext: vec![0; 90],
    });
    assert_eq!(
        parent
            .post("/v1/challenges", elsewhere.clone())
            .await
            .unwrap(),
        [7; 32]
    );
    assert_eq!(parent.enclave.asked(Message::Challenge), [elsewhere]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_plane_wants_a_token() {
    let hash = sha256(b"a long and random token");
    let plane = format!(
        "admit = \"all\"\n[[provider_plane]]\nname = \"billing\"\ntoken_sha256 = \"{hash}\""
    );
    let parent = Parent::with(&plane).await;
    let url = format!("{}/v1/provider/operations", parent.url);
    let post = async |token: Option<&str>| {
        let mut request = parent.http.post(&url).body(vec![1, 2]);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        outcome(request.send().await.unwrap()).await
    };
    assert_eq!(post(None).await, Err(Code::Unauthorized));
    assert_eq!(post(Some("a wrong token")).await, Err(Code::Unauthorized));
    assert_eq!(post(Some(&hash.to_string())).await, Err(Code::Unauthorized));
    assert!(parent.enclave.asked(Message::Plain).is_empty());
    assert_eq!(
        post(Some("a long and random token")).await.unwrap(),
        vec![1, 2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_enclave_requests_are_unreachable_and_the_link_comes_back() {
    let parent = Parent::start().await;
    parent.enclave.gate(false);
    let (http, url) = (parent.http.clone(), format!("{}/v1/requests", parent.url));
    let waiting =
        tokio::spawn(
            async move { outcome(http.post(url).body(vec![1]).send().await.unwrap()).await },
        );
    parent.enclave.wait_for(Message::Sealed, 1).await;
    parent.enclave.stop();
    assert_eq!(waiting.await.unwrap(), Err(Code::Unreachable));
    assert_eq!(
        parent.post("/v1/requests", vec![1]).await,
        Err(Code::Unreachable)
    );
    parent.enclave.gate(true);
    parent.enclave.restart();
    parent.until_ready().await;
    assert_eq!(parent.post("/v1/requests", vec![2]).await.unwrap(), vec![2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_connections_of_one_caller_are_capped_and_silent_ones_closed() {
    let parent = Parent::with("admit = \"all\"\n[limits]\nconnections_per_caller = 8").await;
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..20 {
        match tokio::time::timeout(Duration::from_secs(10), parent.connect())
            .await
            .unwrap()
        {
            Ok(stream) => held.push(stream),
            Err(_) => refused += 1,
        }
    }
    assert!(held.len() <= 8 && refused >= 12, "{} held", held.len());
    held.clear();
    // A plain connection that never begins its handshake is closed.
    let address = parent.url.strip_prefix("https://").unwrap();
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(15), silent.read(&mut [0; 1]))
        .await
        .unwrap();
    assert_eq!(end.unwrap_or(0), 0);
    assert_eq!(parent.post("/v1/requests", vec![2]).await.unwrap(), vec![2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_pages_are_there() {
    let parent = Parent::start().await;
    parent.get("/healthz").await.unwrap();
    let metrics = String::from_utf8(parent.get("/metrics").await.unwrap()).unwrap();
    assert!(metrics.contains("cofferdam_http_requests"));
    assert_eq!(
        parent.get("/openapi.json").await.unwrap(),
        cofferdam_parent_proxy::openapi().as_bytes()
    );
    parent.enclave.stop();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(parent.get("/readyz").await, Err(Code::NotReady));
}
