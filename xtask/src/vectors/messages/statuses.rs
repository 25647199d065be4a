//! Status queries, answers, certificates, pushes.

use cofferdam_wire::id::{Digest, GroupId, Handle, Nonce, RecipientId, Token};
use cofferdam_wire::limits;
use cofferdam_wire::status::{
    AnswerItem, AnswerPlain, QueryItem, SealedAnswer, SealedQuery, SignedPush, Status,
    StatusAnswer, StatusCertificate, StatusKeys, StatusPurpose, StatusPush, StatusQuery,
};
use minicbor::bytes::ByteSlice;

use super::{BODY, Example, TIME_S, ed25519, example};

pub(super) fn examples() -> Vec<Example> {
    let mut all = asked();
    all.extend(answered());
    all
}

fn asked() -> Vec<Example> {
    let item = |byte, last_sequence, wants_release| QueryItem {
        token: Token([byte; 32]),
        last_sequence,
        wants_release,
    };
    let query = StatusQuery {
        version: 1,
        group: GroupId([0x11; 32]),
        binding: vec![1; 3],
        evidence: vec![2; 3],
        genesis: vec![3; 3],
        nonce: Nonce([4; 32]),
        service_key: RecipientId([0x33; 32]),
        enc: vec![5; 24],
        items: vec![item(6, 0, true), item(7, 12, false)],
    };
    let certificate = StatusCertificate {
        purpose: StatusPurpose::Answers,
        key: ed25519().to_cose(),
        not_before_s: TIME_S,
        not_after_s: TIME_S + 86_400,
    };
    let sealed = SealedQuery {
        service_key: RecipientId([0x33; 32]),
        enc: vec![5; 24],
        ciphertext: vec![6; 24],
    };
    vec![
        example!(
            "StatusCertificate",
            "",
            StatusCertificate,
            limits::STATUS_CERTIFICATE,
            certificate,
            &["purpose", "key", "not_before_s", "not_after_s"]
        ),
        example!(
            "StatusKeys",
            "",
            StatusKeys,
            BODY,
            StatusKeys {
                answers: vec![1; 3],
                queries: vec![2; 3]
            },
            &["answers", "queries"]
        ),
        example!(
            "StatusQuery",
            "",
            StatusQuery,
            limits::STATUS_QUERY_PLAIN,
            query,
            &[
                "version",
                "group",
                "binding",
                "evidence",
                "genesis",
                "nonce",
                "service key",
                "enc",
                "items"
            ]
        ),
        example!(
            "SealedQuery",
            "",
            SealedQuery,
            limits::STATUS_QUERY,
            sealed,
            &["service key", "enc", "ciphertext"]
        ),
    ]
}

fn answered() -> Vec<Example> {
    let release: &ByteSlice = (&[8; 32][..]).into();
    let good = AnswerItem {
        status: Status::Good,
        sequence: 1,
        release: Some(release),
        grant_epoch: 4,
    };
    let none = AnswerItem {
        status: Status::None,
        sequence: 0,
        release: None,
        grant_epoch: 0,
    };
    let answer = StatusAnswer {
        query: Digest([1; 32]),
        nonce: Nonce([4; 32]),
        issued_at_ms: TIME_S * 1000,
        valid_for_s: 300,
        items: vec![good, none],
    };
    let push = StatusPush {
        handle: Handle([2; 16]),
        status: Status::Revoked,
        sequence: 13,
        grant_epoch: 4,
    };
    vec![
        example!(
            "StatusAnswer",
            "",
            StatusAnswer<'_>,
            limits::STATUS_ANSWER,
            answer,
            &["query", "nonce", "issued_at_ms", "valid_for_s", "items"]
        ),
        example!(
            "AnswerPlain",
            "",
            AnswerPlain<'_>,
            limits::STATUS_ANSWER,
            AnswerPlain {
                certificate: &[1; 3],
                answer: &[2; 3]
            },
            &["certificate", "answer"]
        ),
        example!(
            "SealedAnswer",
            "",
            SealedAnswer,
            limits::STATUS_ANSWER,
            SealedAnswer {
                enc: vec![1; 24],
                ciphertext: vec![2; 24]
            },
            &["enc", "ciphertext"]
        ),
        example!(
            "StatusPush",
            "",
            StatusPush,
            BODY,
            push,
            &["handle", "status", "sequence", "grant epoch"]
        ),
        example!(
            "SignedPush",
            "",
            SignedPush,
            BODY,
            SignedPush {
                certificate: vec![1; 3],
                push: vec![2; 3]
            },
            &["certificate", "push"]
        ),
    ]
}
