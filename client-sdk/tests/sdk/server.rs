//! The played provider, and a revocation service of a few lines, behind real TLS and HTTP/1.1.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cofferdam::transport::{CallError, Parent as _};
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::id::Nonce;
use cofferdam_wire::link::{Message, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::server::TlsStream;

use crate::enclave::Played;
use crate::world::World;

pub(crate) const REGISTRAR: &str = "registrar-token";
pub(crate) const ADMIN: &str = "admin-token";

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    pub(crate) provider: Arc<Provider>,
}

pub(crate) struct Provider {
    pub(crate) played: Played<'static>,
    /// State by handle.
    pub(crate) registrations: Mutex<BTreeMap<String, &'static str>>,
    /// Every grant epoch that was set.
    pub(crate) epochs: Mutex<Vec<u64>>,
}

pub(crate) struct Request {
    method: String,
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let world: &'static World = Box::leak(Box::new(World::new()));
        let provider = Arc::new(Provider {
            played: Played::new(world),
            registrations: Mutex::default(),
            epochs: Mutex::default(),
        });
        let (acceptor, ca_pem) = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&provider);
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (acceptor, provider) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(connection).await {
                        serve(stream, provider).await;
                    }
                });
            }
        });
        Server {
            url,
            ca_pem,
            provider,
        }
    }

    pub(crate) fn world(&self) -> &'static World {
        self.provider.played.world
    }
}

/// TLS for 127.0.0.1 under a certificate of its own, and that certificate.
pub(crate) fn acceptor() -> (TlsAcceptor, String) {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    );
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(config)), certified.cert.pem())
}

async fn serve(mut stream: TlsStream<TcpStream>, provider: Arc<Provider>) {
    while let Some(request) = read_request(&mut stream).await {
        if request.path == "/v1/stream" {
            assert_eq!(request.headers["upgrade"], "cofferdam/1");
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: cofferdam/1\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            return frames(stream, provider).await;
        }
        let (status, kind, body) = answer(&provider, &request).await;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .unwrap();
    }
}

pub(crate) async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let header = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
    };
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

async fn answer(provider: &Provider, request: &Request) -> (&'static str, &'static str, Vec<u8>) {
    let played = &provider.played;
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let body = request.body.clone();
    let done = match (request.method.as_str(), path) {
        ("GET", "/v1/evidence") => {
            let nonce = Nonce::from_hex(query.strip_prefix("nonce=").unwrap()).unwrap();
            played.evidence(&nonce).await
        }
        ("POST", "/v1/challenges") => played.challenge(body).await,
        ("POST", "/v1/imports") => played.import(body).await,
        ("POST", "/v1/sessions") => played.open_session(body).await,
        ("POST", "/v1/requests") => played.call(body).await,
        ("GET", "/v1/keys") => {
            assert!(request.headers["cofferdam-owner"].len() > 100);
            Ok(cbor::encode(&*played.receipts.lock().unwrap()))
        }
        (method, path) if path.starts_with("/v1/registrations") => {
            return registrations(provider, request, method, path);
        }
        _ => Err(CallError::refused(Code::NotFound)),
    };
    match done {
        Ok(body) => ("200 OK", "application/cbor", body),
        Err(error) => problem(error.code().unwrap()),
    }
}

fn problem(code: Code) -> (&'static str, &'static str, Vec<u8>) {
    let body = serde_json::json!({
        "type": format!("urn:cofferdam:problem:{}", code.slug()),
        "title": code.slug(),
        "status": 400,
        "detail": code.sentence(),
        "code": code.number(),
    });
    (
        "400 Bad Request",
        "application/problem+json",
        body.to_string().into_bytes(),
    )
}

fn registrations(
    provider: &Provider,
    request: &Request,
    method: &str,
    path: &str,
) -> (&'static str, &'static str, Vec<u8>) {
    let bearer = request.headers["authorization"]
        .strip_prefix("Bearer ")
        .unwrap();
    let mut registrations = provider.registrations.lock().unwrap();
    let shown = |handle: &str, state: &str| {
        serde_json::json!({
            "handle": handle, "state": state, "sequence": 1, "grant_epoch": 0, "group": "00",
            "owner_thumbprint": "00", "created": "2030-01-01T00:00:00Z", "changed": "2030-01-01T00:00:00Z",
        })
    };
    let mut parts = path
        .trim_start_matches("/v1/registrations")
        .trim_start_matches('/')
        .split('/');
    let handle = parts.next().unwrap_or_default().to_owned();
    let body = match (method, handle.as_str(), parts.next(), bearer) {
        ("POST", "", None, REGISTRAR) => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let handle = body["handle"].as_str().unwrap();
            for field in ["token_hash", "release_secret", "group", "owner"] {
                assert!(body[field].as_str().unwrap().len() >= 44, "{field}");
            }
            registrations.insert(handle.to_owned(), "pending");
            shown(handle, "pending")
        }
        ("GET", "", None, _) => registrations
            .iter()
            .map(|(handle, state)| shown(handle, state))
            .collect(),
        ("GET", handle, None, _) => match registrations.get(handle) {
            Some(state) => shown(handle, state),
            None => return problem(Code::NotFound),
        },
        ("POST", handle, Some(verb), bearer) => {
            if verb == "grant-epoch" {
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                let (state, epoch) = (registrations[handle], body["epoch"].as_u64().unwrap());
                provider.epochs.lock().unwrap().push(epoch);
                let mut shown = shown(handle, state);
                shown["grant_epoch"] = epoch.into();
                return ("200 OK", "application/json", shown.to_string().into_bytes());
            }
            let (state, role) = match verb {
                "activate" => ("active", REGISTRAR),
                "suspend" => ("suspended", ADMIN),
                "resume" => ("active", ADMIN),
                _ => ("revoked", ADMIN),
            };
            if role != bearer {
                return problem(Code::Unauthorized);
            }
            registrations.insert(handle.to_owned(), state);
            shown(handle, state)
        }
        _ => return problem(Code::Unauthorized),
    };
    ("200 OK", "application/json", body.to_string().into_bytes())
}

async fn frames(mut stream: TlsStream<TcpStream>, provider: Arc<Provider>) {
    let mut reader = FrameReader::default();
    let mut buffer = vec![0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => reader.feed(&buffer[..length]),
        }
        while let Some(frame) = reader.next_frame().unwrap() {
            assert_eq!(frame.kind, Message::Sealed.number());
            let reply = match provider.played.call(frame.body).await {
                Ok(body) => Reply::Done(body),
                Err(error) => Reply::Refused(error.code().unwrap()),
            };
            let mut bytes = Vec::new();
            Frame {
                kind: Message::Reply.number(),
                id: frame.id,
                body: cbor::encode(&reply),
            }
            .write_to(&mut bytes);
            stream.write_all(&bytes).await.unwrap();
        }
    }
}
