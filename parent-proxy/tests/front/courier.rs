//! The courier against a real TLS server, and against everything that it must not dial.

use crate::parent::Parent;
use cofferdam_parent_proxy::config::CourierConfig;
use cofferdam_parent_proxy::courier::{Courier, CourierError};
use cofferdam_wire::link::{self, Host, Message, Reply};
use cofferdam_wire::{Code, cbor, limits};
use rcgen::{CertificateParams, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

struct Service {
    port: u16,
    ca: PathBuf,
    dialled: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A TLS server that answers every request with `answer`; an empty answer never comes.
async fn service(directory: &Path, answer: Vec<u8>) -> Service {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let ca = directory.join("service.pem");
    std::fs::write(&ca, certificate.pem()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (dialled, received) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (count, store) = (dialled.clone(), received.clone());
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (acceptor, answer, store) = (acceptor.clone(), answer.clone(), store.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut request = vec![0; 4096];
                let length = tls.read(&mut request).await.unwrap_or(0);
                store.lock().unwrap().push(request[..length].to_vec());
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
                let _ = tls.write_all(&answer).await;
                let _ = tls.shutdown().await;
            });
        }
    });
    Service {
        port,
        ca,
        dialled,
        received,
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    [
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )
        .as_bytes(),
        body,
    ]
    .concat()
}

fn inside(service: &Service) -> CourierConfig {
    CourierConfig {
        allow_private: true,
        extra_ca: vec![service.ca.clone()],
        allowed_ports: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_carried_and_the_answer_brought_back() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path(), ok(b"sealed answer")).await;
    let extra = format!(
        "admit = \"all\"\n[courier]\nallow_private = true\nallowed_ports = []\nextra_ca = [\"{}\"]",
        service.ca.display()
    );
    let parent = Parent::with(&extra).await;
    let host = format!("localhost:{}", service.port);
    let ask = link::Courier {
        host: host.clone(),
        query: b"sealed query".to_vec(),
    };
    let told = parent
        .enclave
        .ask(Message::AskStatus, cbor::encode(&ask))
        .await;
    assert_eq!(told, Reply::Done(b"sealed answer".to_vec()));
    let told = parent
        .enclave
        .ask(Message::FetchStatusKeys, cbor::encode(&Host { host }))
        .await;
    assert_eq!(told, Reply::Done(b"sealed answer".to_vec()));
    let received = service.received.lock().unwrap();
    let text = String::from_utf8_lossy(&received[0]).to_lowercase();
    assert!(
        text.starts_with("post /v1/status http/1.1")
            && text.contains("content-type: application/cbor"),
        "{text}"
    );
    assert!(String::from_utf8_lossy(&received[1]).starts_with("GET /v1/status-keys HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_loopback_is_not_dialled_by_name_or_number_unless_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path(), ok(b"answer")).await;
    let config = CourierConfig {
        allow_private: false,
        ..inside(&service)
    };
    let courier = Courier::new(&config).unwrap();
    for host in ["localhost", "127.0.0.1", "127.1", "2130706433"] {
        let error = courier
            .ask(&format!("{host}:{}", service.port), vec![1])
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                CourierError::Forbidden { .. } | CourierError::Unreachable { .. }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("not public"), "{error}");
    }
    assert_eq!(service.dialled.load(Ordering::SeqCst), 0);
    let courier = Courier::new(&inside(&service)).unwrap();
    assert_eq!(
        courier
            .ask(&format!("localhost:{}", service.port), vec![1])
            .await
            .unwrap(),
        b"answer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_the_default_refuses_every_port_but_443() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path(), ok(b"answer")).await;
    let parent = Parent::start().await;
    let host = format!("status.example:{}", service.port);
    let told = parent
        .enclave
        .ask(Message::FetchStatusKeys, cbor::encode(&Host { host }))
        .await;
    assert_eq!(told, Reply::Refused(Code::Unreachable));
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_redirect_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let answer =
        b"HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
            .to_vec();
    let service = service(directory.path(), answer).await;
    let courier = Courier::new(&inside(&service)).unwrap();
    let error = courier
        .ask(&format!("localhost:{}", service.port), vec![1])
        .await
        .unwrap_err();
    assert!(matches!(error, CourierError::Status { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_long_answers_are_cut_off_with_and_without_a_length() {
    let directory = tempfile::tempdir().unwrap();
    let long = vec![7; limits::STATUS_ANSWER + 1];
    let endless = [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &long].concat();
    for answer in [ok(&long), endless] {
        let service = service(directory.path(), answer).await;
        let courier = Courier::new(&inside(&service)).unwrap();
        let error = courier
            .ask(&format!("localhost:{}", service.port), vec![1])
            .await
            .unwrap_err();
        assert!(matches!(error, CourierError::TooLong { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_a_service_that_hangs_delays_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (slow_directory, fast_directory) =
        (directory.path().join("slow"), directory.path().join("fast"));
    std::fs::create_dir_all(&slow_directory).unwrap();
    std::fs::create_dir_all(&fast_directory).unwrap();
    let slow = service(&slow_directory, vec![]).await;
    let fast = service(&fast_directory, ok(b"answer")).await;
    let config = CourierConfig {
        extra_ca: vec![slow.ca.clone(), fast.ca.clone()],
        ..inside(&slow)
    };
    let courier = Arc::new(Courier::new(&config).unwrap());
    let hanging: Vec<_> = (0..300)
        .map(|_| {
            let (courier, host) = (courier.clone(), format!("localhost:{}", slow.port));
            tokio::spawn(async move { courier.ask(&host, vec![1]).await })
        })
        .collect();
    while slow.dialled.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        courier
            .ask(&format!("localhost:{}", fast.port), vec![1])
            .await
            .unwrap(),
        b"answer"
    );
    assert!(slow.dialled.load(Ordering::SeqCst) <= 4);
    for task in hanging {
        assert!(matches!(
            task.await.unwrap(),
            Err(CourierError::Unreachable { .. })
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path(), ok(b"answer")).await;
    let ca = directory.path().join("other.pem");
    let key = KeyPair::generate().unwrap();
    std::fs::write(
        &ca,
        CertificateParams::new(vec!["x".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem(),
    )
    .unwrap();
    let courier = Courier::new(&CourierConfig {
        extra_ca: vec![ca],
        ..inside(&service)
    })
    .unwrap();
    assert!(
        courier
            .ask(&format!("localhost:{}", service.port), vec![1])
            .await
            .is_err()
    );
    assert!(service.received.lock().unwrap().is_empty());
}
