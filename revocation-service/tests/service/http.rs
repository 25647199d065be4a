//! The service as a process of its own would be: TLS, tokens, JSON, problems, `ready.json`, a clean end.

use std::time::Duration;

use base64::Engine as _;
use cofferdam_revocation_service::{Config, run};
use cofferdam_wire::status::{SignedPush, Status, StatusKeys, StatusPush};
use cofferdam_wire::{Code, cbor, context, limits};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::instance::{Group, IMAGE, Instance, certified, item};
use crate::nsm::{Nsm, decoded, image};
use crate::world::{Key, config};

struct Server {
    dir: tempfile::TempDir,
    config: Config,
    ready: Value,
    client: Client,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    nsm: Nsm,
    group: Group,
}

fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Server {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let nsm = Nsm::new(now_s() - 3600);
        let group = Group::new(&nsm, image(IMAGE), now_s() - 60);
        let mut config = config(dir.path(), &nsm);
        change(&mut config);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = config.clone();
        let ended = tokio::spawn(async move {
            run(running, async move { drop(stopped.await) })
                .await
                .unwrap();
        });
        let path = config.state_dir.join("ready.json");
        let ready = loop {
            match std::fs::read(&path) {
                Ok(bytes) => break serde_json::from_slice::<Value>(&bytes).unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let ca = std::fs::read(ready["ca_file"].as_str().unwrap()).unwrap();
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
            .https_only(true)
            .build()
            .unwrap();
        Self {
            dir,
            config,
            ready,
            client,
            stop,
            ended,
            nsm,
            group,
        }
    }

    fn token(&self, role: &str) -> String {
        std::fs::read_to_string(self.ready[format!("{role}_token_file")].as_str().unwrap()).unwrap()
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        role: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.ready["url"].as_str().unwrap());
        let mut request = self.client.request(method, url);
        if let Some(role) = role {
            request = request.bearer_auth(self.token(role));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let problem = response.headers()["content-type"] == "application/problem+json";
        assert_eq!(problem, !status.is_success());
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, role: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(role), body).await
    }

    async fn status(&self, body: Vec<u8>) -> reqwest::Response {
        let url = format!("{}/v1/status", self.ready["url"].as_str().unwrap());
        self.client
            .post(url)
            .header("content-type", "application/cbor")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
        drop(self.dir);
    }
}

fn registration(key: &Key) -> Value {
    json!({
        "handle": key.handle().to_string(),
        "token_hash": key.token.hash().to_string(),
        "release_secret": base64::engine::general_purpose::STANDARD.encode(&key.release),
        "group": key.group.to_string(),
        "owner": hex::encode(key.registration().owner.to_cose()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lives_from_registration_to_revocation_over_https() {
    let server = Server::start(|_| ()).await;
    let key = Key::new(server.group.id);
    let path = format!("/v1/registrations/{}", key.handle());
    let (status, row) = server
        .post("/v1/registrations", "registrar", Some(registration(&key)))
        .await;
    assert_eq!(
        (status, &row["state"], &row["sequence"]),
        (StatusCode::CREATED, &json!("pending"), &json!(0))
    );
    let (status, _) = server
        .post("/v1/registrations", "registrar", Some(registration(&key)))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (status, row) = server
        .post(&format!("{path}/activate"), "registrar", None)
        .await;
    assert_eq!((status, &row["state"]), (StatusCode::OK, &json!("active")));
    let mut names: Vec<&String> = row.as_object().unwrap().keys().collect();
    names.sort();
    let expected = [
        "changed",
        "created",
        "grant_epoch",
        "group",
        "handle",
        "owner_thumbprint",
        "sequence",
        "state",
    ];
    assert_eq!(names, expected);

    let root = hex::decode(server.ready["status_root"].as_str().unwrap()).unwrap();
    let root = cofferdam_wire::cose::PublicKey::from_cose(&root).unwrap();
    let url = format!("{}/v1/status-keys", server.ready["url"].as_str().unwrap());
    let keys: StatusKeys = decoded(
        &server
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
    );
    let service_key = certified(&root, &keys.queries).key;
    let instance = Instance::new(&server.group);
    let hear = async || {
        let query = instance.draft(&server.nsm, now_s() * 1000, vec![item(key.token)]);
        let nonce = query.nonce;
        let sealed = instance.seal(&service_key, query);
        let response = server.status(sealed.clone()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/cbor");
        instance
            .open(&root, &sealed, &nonce, &response.bytes().await.unwrap())
            .items
            .remove(0)
    };
    let said = hear().await;
    assert_eq!(
        (said.status, said.release),
        (Status::Good, Some(key.release.clone()))
    );
    let epoch = server
        .post(
            &format!("{path}/grant-epoch"),
            "admin",
            Some(json!({ "epoch": 3 })),
        )
        .await;
    assert_eq!(
        (epoch.0, &epoch.1["grant_epoch"]),
        (StatusCode::OK, &json!(3))
    );
    for (change, expected) in [
        ("suspend", Status::Suspended),
        ("resume", Status::Good),
        ("revoke", Status::Revoked),
    ] {
        assert_eq!(
            server
                .post(&format!("{path}/{change}"), "admin", None)
                .await
                .0,
            StatusCode::OK
        );
        assert_eq!(hear().await.status, expected);
    }
    let (_, rows) = server
        .call(Method::GET, "/v1/registrations", Some("registrar"), None)
        .await;
    assert_eq!(
        (rows.as_array().unwrap().len(), &rows[0]["state"]),
        (1, &json!("revoked"))
    );
    let (status, problem) = server
        .post("/v1/registrations", "registrar", Some(registration(&key)))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!(Code::Revoked.number()))
    );
    assert_eq!(problem["type"], json!("urn:cofferdam:problem:revoked"));

    let url = format!("{}{path}/push", server.ready["url"].as_str().unwrap());
    let push = server
        .client
        .get(url)
        .bearer_auth(server.token("admin"))
        .send()
        .await
        .unwrap();
    let push: SignedPush = decoded(&push.bytes().await.unwrap());
    let answers =
        cofferdam_wire::cose::PublicKey::from_cose(&certified(&root, &push.certificate).key)
            .unwrap();
    let signed = cofferdam_wire::cose::CoseSign1::from_bytes(&push.push, 1024).unwrap();
    let payload =
        cofferdam::crypto::signing::verify_sign1(&answers, context::STATUS_PUSH, &signed).unwrap();
    let push: StatusPush = decoded(payload);
    assert_eq!(
        (push.handle, push.status, push.sequence),
        (key.handle(), Status::Revoked, 5)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsv_31_registrar_and_admin_are_two_credentials() {
    let server = Server::start(|_| ()).await;
    let key = Key::new(server.group.id);
    let path = |change: &str| format!("/v1/registrations/{}/{change}", key.handle());
    let (status, problem) = server
        .post("/v1/registrations", "admin", Some(registration(&key)))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!(Code::Unauthorized.number()))
    );
    assert_eq!(
        server
            .post("/v1/registrations", "registrar", Some(registration(&key)))
            .await
            .0,
        StatusCode::CREATED
    );
    assert_eq!(
        server.post(&path("activate"), "admin", None).await.0,
        StatusCode::FORBIDDEN
    );
    for change in ["suspend", "resume", "revoke", "grant-epoch"] {
        let body = Some(json!({ "epoch": 1 }));
        assert_eq!(
            server.post(&path(change), "registrar", body).await.0,
            StatusCode::FORBIDDEN,
            "{change}"
        );
    }
    for path in ["/v1/replay", "/v1/registrations"] {
        assert_eq!(
            server.call(Method::POST, path, None, None).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    for path in ["/v1/registrations", "/v1/holds", &path("push")] {
        assert_eq!(
            server.call(Method::GET, path, None, None).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        server
            .call(Method::GET, "/v1/holds", Some("registrar"), None)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
    let (status, holds) = server
        .call(Method::GET, "/v1/holds", Some("admin"), None)
        .await;
    assert_eq!(
        (status, holds),
        (StatusCode::OK, json!({ "broken_log": null, "holds": [] }))
    );
    assert_eq!(
        server.post("/v1/replay", "admin", None).await,
        (StatusCode::OK, json!([]))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_gets_a_problem_and_changes_nothing() {
    let server = Server::start(|config| config.queries_per_second = 1).await;
    let key = Key::new(server.group.id);
    let defect = |field: &str, value: Value| {
        let mut body = registration(&key);
        body[field] = value;
        Some(body)
    };
    let bodies = [
        None,
        Some(json!([])),
        defect("handle", json!("00")),
        defect("token_hash", json!("zz")),
        defect("release_secret", json!("AAAA")),
        defect("group", json!(1)),
        defect("owner", json!("a0")),
        defect("extra", json!(1)),
    ];
    for body in bodies {
        let (status, problem) = server.post("/v1/registrations", "registrar", body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!(Code::Malformed.number()))
        );
    }
    let (status, _) = server
        .post(
            "/v1/registrations",
            "registrar",
            defect("owner", json!("a".repeat(5000))),
        )
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (_, rows) = server
        .call(Method::GET, "/v1/registrations", Some("admin"), None)
        .await;
    assert_eq!(rows, json!([]));
    for path in [
        "/v1/registrations/00",
        "/v1/nothing",
        "/v1/registrations/00/revive",
    ] {
        let (status, _) = server.call(Method::GET, path, Some("admin"), None).await;
        assert!(status.is_client_error(), "{path}");
    }
    let unknown = format!("/v1/registrations/{}", key.handle());
    assert_eq!(
        server
            .call(Method::GET, &unknown, Some("admin"), None)
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        server
            .post(&format!("{unknown}/revoke"), "admin", None)
            .await
            .0,
        StatusCode::NOT_FOUND
    );

    let response = server.status(vec![0; limits::STATUS_QUERY + 1]).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = server.status(cbor::encode(&1u8)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    // One address has a rate.
    let mut last = StatusCode::OK;
    for _ in 0..40 {
        last = server.status(vec![]).await.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        server
            .call(Method::GET, "/v1/registrations", Some("admin"), None)
            .await
            .0,
        StatusCode::OK
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_service_starts_again_where_it_was() {
    let server = Server::start(|_| ()).await;
    let key = Key::new(server.group.id);
    server
        .post("/v1/registrations", "registrar", Some(registration(&key)))
        .await;
    let Server {
        dir,
        config,
        stop,
        ended,
        ..
    } = server;
    stop.send(()).unwrap();
    ended.await.unwrap();
    let clock = cofferdam_revocation_service::clock::Clock::system();
    let service = cofferdam_revocation_service::service::Service::open(&config, clock)
        .await
        .unwrap();
    assert!(
        service
            .registry()
            .find(&key.handle())
            .await
            .unwrap()
            .is_some()
    );
    assert!(service.registry().holds().await.is_empty());
    drop(dir);
}
