//! Grants, sessions, operations, link.

use cofferdam_wire::code::Code;
use cofferdam_wire::id::{Digest, GroupId, KeyId, RecipientId, RequestId, Thumbprint};
use cofferdam_wire::kind::{Action, Algorithm, HashAlgorithm};
use cofferdam_wire::limits;
use cofferdam_wire::link::{Courier, Health, Host, Note, Reply};
use cofferdam_wire::operation::{Description, Input, LeaseState, Operation, Outcome};
use cofferdam_wire::owner_request::OwnerRequest;
use cofferdam_wire::session::{
    Answer, Audience, Grant, ProviderRequest, Request, SealedRequest, SessionAccepted, SessionInfo,
    SessionOpen, SessionPlain, SignedGrant, TicketPlain,
};

use super::imports::{TERMS, policy};
use super::{BODY, Example, TIME_S, ed25519, example, p256};

const KEY: KeyId = KeyId([0x22; 32]);

pub(super) fn examples() -> Vec<Example> {
    let mut all = sessions();
    all.extend(operations());
    all.extend(outcomes());
    all.extend(link());
    all
}

fn grant(audience: Audience) -> Grant {
    Grant {
        version: 1,
        group: GroupId([0x11; 32]),
        owner: p256(),
        partition: "payments".into(),
        keys: vec![KEY],
        actions: vec![Action::Sign, Action::Verify, Action::Describe],
        audience,
        not_before_s: TIME_S,
        not_after_s: TIME_S + 86_400,
        epoch: 4,
    }
}

fn sessions() -> Vec<Example> {
    let info = SessionInfo {
        group: GroupId([0x11; 32]),
        session_key: RecipientId([0x33; 32]),
        app: Thumbprint([0x44; 32]),
        grants: vec![Digest([0x55; 32])],
    };
    let open = SessionOpen {
        info: info.clone(),
        enc: vec![1; 24],
        ciphertext: vec![2; 24],
    };
    let plain = SessionPlain {
        app: ed25519(),
        grants: vec![SignedGrant(vec![1; 3])],
        signature: vec![2; 3],
    };
    let accepted = SessionAccepted {
        now_ms: TIME_S * 1000,
        ticket: vec![7; 24],
        not_after_s: TIME_S + 86_400,
    };
    let app = grant(Audience::App(Thumbprint([0x44; 32])));
    let ticket = TicketPlain {
        app: Thumbprint([0x44; 32]),
        request_key: &[5; 32],
        answer_key: &[6; 32],
        not_after_s: TIME_S,
        grants: vec![app.clone()],
    };
    let grant_names: &[&str] = &[
        "version",
        "group",
        "owner",
        "partition",
        "keys",
        "actions",
        "audience",
        "not_before_s",
        "not_after_s",
        "epoch",
    ];
    let ticket_names: &[&str] = &["app", "request key", "answer key", "not_after_s", "grants"];
    vec![
        example!("Grant", "to an app", Grant, limits::GRANT, app, grant_names),
        example!(
            "Grant",
            "to the provider plane",
            Grant,
            limits::GRANT,
            grant(Audience::Provider),
            grant_names
        ),
        example!(
            "SessionInfo",
            "",
            SessionInfo,
            limits::SESSION_OPEN,
            info,
            &["group", "session key", "app", "grants"]
        ),
        example!(
            "SessionOpen",
            "",
            SessionOpen,
            limits::SESSION_OPEN,
            open,
            &["info", "enc", "ciphertext"]
        ),
        example!(
            "SessionPlain",
            "",
            SessionPlain,
            limits::SESSION_OPEN,
            plain,
            &["app", "grants", "signature"]
        ),
        example!(
            "SessionAccepted",
            "",
            SessionAccepted,
            limits::SESSION_OPEN,
            accepted,
            &["now_ms", "ticket", "not_after_s"]
        ),
        example!(
            "TicketPlain",
            "",
            TicketPlain<'_>,
            limits::TICKET,
            ticket,
            ticket_names
        ),
        example!(
            "SealedRequest",
            "",
            SealedRequest,
            limits::SEALED_REQUEST,
            SealedRequest {
                ticket: vec![7; 24],
                sealed: vec![8; 24]
            },
            &["ticket", "sealed"]
        ),
    ]
}

fn operations() -> Vec<Example> {
    let named = |form, operation: Operation, names| {
        let request = Request {
            id: RequestId([9; 16]),
            deadline_ms: TIME_S * 1000,
            operation,
        };
        Example {
            form,
            names,
            ..example!("Request", "", Request, limits::SEALED_REQUEST, request, &[])
        }
    };
    let names: &[&str] = &["id", "deadline_ms", "operation"];
    let message = || Input::Message(b"message".to_vec());
    let (algorithm, data, aad) = (Algorithm::Xaes256Gcm, vec![1; 3], vec![2; 2]);
    let (mac, signature) = (Algorithm::HmacSha256, vec![3; 64]);
    let ecdsa = Algorithm::EcdsaSha256;
    let provider = ProviderRequest {
        grant: SignedGrant(vec![1; 3]),
        request: Request {
            id: RequestId([9; 16]),
            deadline_ms: 1,
            operation: Operation::Random { count: 32 },
        },
    };
    vec![
        named(
            "sign",
            Operation::Sign {
                key: KEY,
                algorithm: ecdsa,
                input: message(),
            },
            names,
        ),
        named(
            "verify",
            Operation::Verify {
                key: KEY,
                algorithm: ecdsa,
                input: Input::Digest(vec![4; 32]),
                signature,
            },
            names,
        ),
        named(
            "encrypt",
            Operation::Encrypt {
                key: KEY,
                algorithm,
                aad: aad.clone(),
                data: data.clone(),
            },
            names,
        ),
        named(
            "decrypt",
            Operation::Decrypt {
                key: KEY,
                algorithm,
                aad,
                data: data.clone(),
            },
            names,
        ),
        named(
            "mac",
            Operation::Mac {
                key: KEY,
                algorithm: mac,
                data: data.clone(),
            },
            names,
        ),
        named(
            "verify-mac",
            Operation::VerifyMac {
                key: KEY,
                algorithm: mac,
                data: data.clone(),
                tag: vec![5; 32],
            },
            names,
        ),
        named("public-key", Operation::PublicKey { key: KEY }, names),
        named("describe", Operation::Describe { key: KEY }, names),
        named("destroy", Operation::Destroy { key: KEY }, names),
        named(
            "hash",
            Operation::Hash {
                algorithm: HashAlgorithm::Sha384,
                data,
            },
            names,
        ),
        named("random", Operation::Random { count: 4096 }, names),
        example!(
            "ProviderRequest",
            "",
            ProviderRequest,
            limits::SEALED_REQUEST,
            provider,
            &["grant", "request"]
        ),
    ]
}

fn outcomes() -> Vec<Example> {
    let description = Description {
        policy: policy(),
        state: LeaseState::Active,
        lease: Some(TERMS),
        hard_end_s: None,
        label: "card signing 2026".into(),
    };
    let answer = |form, answer: Answer| Example {
        form,
        ..example!("Answer", "", Answer, limits::SEALED_REQUEST, answer, &[])
    };
    vec![
        answer("bytes", Answer::Done(Outcome::Bytes(vec![1; 4]))),
        answer("verdict", Answer::Done(Outcome::Verdict(false))),
        answer(
            "description",
            Answer::Done(Outcome::Description(description)),
        ),
        answer("destroyed", Answer::Done(Outcome::Destroyed(true))),
        answer("refused", Answer::Refused(Code::LeaseUnavailable)),
    ]
}

fn link() -> Vec<Example> {
    let asked = OwnerRequest {
        version: 1,
        path: "/v1/keys".into(),
        issued_s: TIME_S,
        owner: ed25519(),
    };
    let health = Health {
        ready: true,
        keys: 3,
        active: 2,
        attested_ms: TIME_S * 1000,
    };
    let courier = Courier {
        host: "status.example:8443".into(),
        query: vec![1; 3],
    };
    vec![
        example!(
            "Reply",
            "done",
            Reply,
            BODY,
            Reply::Done(vec![1, 2]),
            &["form", "body"]
        ),
        example!(
            "Reply",
            "refused",
            Reply,
            BODY,
            Reply::Refused(Code::NotFound),
            &["form", "code"]
        ),
        example!(
            "Host",
            "",
            Host,
            BODY,
            Host {
                host: "status.example".into()
            },
            &["host"]
        ),
        example!("Courier", "", Courier, BODY, courier, &["host", "query"]),
        example!(
            "Note",
            "revoked",
            Note,
            BODY,
            Note::Revoked(KEY),
            &["form", "key"]
        ),
        example!(
            "Note",
            "destroyed",
            Note,
            BODY,
            Note::Destroyed(KEY),
            &["form", "key"]
        ),
        example!(
            "Health",
            "",
            Health,
            BODY,
            health,
            &["ready", "keys", "active", "attested_ms"]
        ),
        example!(
            "OwnerRequest",
            "",
            OwnerRequest,
            BODY,
            asked,
            &["version", "path", "issued_s", "owner"]
        ),
    ]
}
