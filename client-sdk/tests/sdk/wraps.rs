//! PRF-18, PRF-19 and WRP: possession, orders, and that the enclave's side opens exactly what was wrapped.

use cofferdam::keyfile::{self, Material};
use cofferdam::verify::{PossessionError, ProvenKeys, Suites};
use cofferdam::wrap::{KeyOrder, RevocationOrder, ServiceOrder, WrapError, Wrapped, wrap};
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::import::{ImportRequest, LeaseTerms};
use cofferdam_wire::kind::{Algorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::layer::Layer;

use crate::enclave::{Played, owner};
use crate::world::World;

const DAY: u64 = 24 * 3600;

pub(crate) fn ed25519() -> Material {
    keyfile::parse(KeyKind::Ed25519, include_bytes!("../keys/ed25519.pem")).unwrap()
}

fn aes() -> Material {
    keyfile::parse(
        KeyKind::Aes256,
        &std::array::from_fn::<u8, 32, _>(|at| at as u8),
    )
    .unwrap()
}

pub(crate) fn order() -> KeyOrder {
    let service = ServiceOrder {
        host: "status.example:8443".into(),
        status_root: PublicKey::Ed25519([1; 32]),
    };
    let terms = LeaseTerms {
        interval_s: 300,
        grace_s: 0,
        per_operation: false,
        skew_s: 1,
    };
    KeyOrder {
        partition: "payments".into(),
        class: UsageClass::Sign,
        algorithms: Vec::new(),
        label: "for tests".into(),
        revocation: Some(RevocationOrder {
            services: vec![service],
            terms,
        }),
        hard_end_s: None,
    }
}

async fn keys(world: &World, suites: Suites) -> Result<ProvenKeys, PossessionError> {
    world
        .proven()
        .prove_possession(suites, &Played::new(world))
        .await
}

async fn wrapped(world: &World, suites: Suites, material: &Material, order: &KeyOrder) -> Wrapped {
    wrap(
        keys(world, suites).await.unwrap(),
        material,
        order,
        &owner(),
        world.now_s,
    )
    .unwrap()
}

#[tokio::test]
async fn prf_18_prf_19_both_keys_must_be_live() {
    let world = World::new();
    for suite in Suite::ALL {
        let place = (suite.number() - 1) as usize;
        assert!(keys(&world, Suites::both(*suite)).await.is_ok());
        let broken = [
            ("PRF-18", world.provider_keys()[place].id()),
            ("PRF-19", world.binding().tee[place].id()),
        ];
        for (expected, recipient) in broken {
            let parent = Played::new(&world);
            parent.faults.lock().unwrap().wrong_reply_for = Some(recipient);
            let error = world
                .proven()
                .prove_possession(Suites::both(*suite), &parent)
                .await
                .err()
                .unwrap();
            assert!(
                matches!(error, PossessionError::WrongReply { check, .. } if check == expected),
                "{error}"
            );
        }
    }
}

/// The signed header carries T, so the enclave knows what the customer verified, and repeats it in the receipt (RCP-6).
#[tokio::test]
async fn prf_t_the_signed_header_names_the_transcript_that_was_verified() {
    let world = World::new();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let keys = keys(&world, Suites::default()).await.unwrap();
        let transcript = *keys.proven().transcript();
        let wrapped = wrap(keys, &ed25519(), &order(), &owner(), world.now_s).unwrap();
        let opened = world.open_import(wrapped.import.request()).unwrap();
        assert_eq!(opened.header.transcript, transcript);
        assert_eq!(wrapped.import.expected().transcript, transcript);
        assert_eq!(world.receipt(&opened).transcript, transcript);
        seen.push(transcript);
    }
    assert_ne!(seen[0], seen[1], "each proof has a nonce of its own");
}

#[tokio::test]
async fn t02_a_provider_without_the_tee_key_gets_no_secret() {
    let world = World::new();
    let impostor = World::new();
    // The impostor relays the proof and answers challenges with keys of its own: it has not those of the proof.
    let error = world
        .proven()
        .prove_possession(Suites::default(), &Played::new(&impostor))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, PossessionError::Call { .. }), "{error}");
}

#[tokio::test]
async fn t35_no_suite_is_used_below_the_floor_or_instead_of_another() {
    let world = World::new();
    let mut file = world.trust_file();
    file.suites = Some(vec![1]);
    let verifier = || {
        cofferdam::verify::Verifier::new(
            file.check().unwrap(),
            cofferdam::known::Known::in_memory(),
        )
    };
    let judge = |change: fn(&mut crate::world::Draft)| world.judge(&verifier(), change).unwrap();
    let parent = Played::new(&world);
    let possession = judge(|_| ())
        .prove_possession(Suites::both(Suite::RsaOaep), &parent)
        .await;
    assert!(matches!(
        possession.err().unwrap(),
        PossessionError::BelowFloor(Suite::RsaOaep)
    ));
    let without_xwing = judge(|draft| draft.binding.tee.truncate(0));
    let error = without_xwing
        .prove_possession(Suites::default(), &parent)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            PossessionError::NotOffered {
                suite: Suite::XWing,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn wrp_1_the_enclave_opens_what_was_wrapped_in_both_suites() {
    let world = World::new();
    for suite in Suite::ALL {
        let wrapped = wrapped(&world, Suites::both(*suite), &ed25519(), &order()).await;
        let opened = world.open_import(wrapped.import.request()).unwrap();
        assert_eq!(opened.key, wrapped.import.key());
        assert_eq!(opened.cose_key, ed25519().cose_key());
        assert_eq!(
            (opened.header.vendor_suite, opened.header.provider_suite),
            (*suite, *suite)
        );
        assert_eq!(opened.control.policy.algorithms, [Algorithm::Ed25519]);
        assert_eq!(opened.control.label, "for tests");
        assert_eq!(opened.control.partition, opened.header.partition);
        let revocation = opened.control.revocation.unwrap();
        let registration = &wrapped.registrations[0];
        assert!(
            registration
                .release_secret
                .ct_eq(opened.release_secrets[..].try_into().unwrap())
        );
        let token = &revocation.services()[0].token;
        assert_eq!(registration.handle, cofferdam_wire::id::Handle::of(token));
        assert_eq!(registration.token_hash, token.hash());
        let again = cofferdam::wrap::SealedImport::from_bytes(&wrapped.import.to_bytes()).unwrap();
        assert_eq!(again, wrapped.import);
    }
}

#[tokio::test]
async fn wrp_1_suites_can_differ_by_layer() {
    let world = World::new();
    let suites = Suites {
        vendor: Suite::XWing,
        provider: Suite::RsaOaep,
    };
    let wrapped = wrapped(
        &world,
        suites,
        &aes(),
        &KeyOrder {
            class: UsageClass::Encrypt,
            ..order()
        },
    )
    .await;
    assert_eq!(
        world
            .open_import(wrapped.import.request())
            .unwrap()
            .cose_key,
        aes().cose_key()
    );
}

#[tokio::test]
async fn t10_no_byte_of_the_outer_layer_can_be_changed() {
    let world = World::new();
    let wrapped = wrapped(&world, Suites::default(), &ed25519(), &order()).await;
    let request: ImportRequest = cbor::decode(wrapped.import.request(), 100_000).unwrap();
    for at in (0..request.layer.len())
        .step_by(37)
        .chain([0, request.layer.len() - 1])
    {
        let mut changed = request.clone();
        changed.layer[at] ^= 1;
        assert!(
            world.open_import(&cbor::encode(&changed)).is_err(),
            "byte {at}"
        );
    }
    for at in 0..request.statement.len() {
        let mut changed = request.clone();
        changed.statement[at] ^= 1;
        assert!(
            world.open_import(&cbor::encode(&changed)).is_err(),
            "byte {at}"
        );
    }
}

#[tokio::test]
async fn t01_an_inner_layer_under_another_header_does_not_open() {
    let world = World::new();
    let mine = wrapped(&world, Suites::default(), &ed25519(), &order()).await;
    let theirs = wrapped(&world, Suites::default(), &ed25519(), &order()).await;
    let mut moved: ImportRequest = cbor::decode(theirs.import.request(), 100_000).unwrap();
    moved.layer = cbor::decode::<ImportRequest>(mine.import.request(), 100_000)
        .unwrap()
        .layer;
    assert_eq!(
        world.open_import(&cbor::encode(&moved)).err(),
        Some(Code::UnwrapFailed)
    );
}

#[tokio::test]
async fn t65_an_import_is_not_answered_as_a_challenge() {
    let world = World::new();
    let wrapped = wrapped(&world, Suites::default(), &ed25519(), &order()).await;
    let request: ImportRequest = cbor::decode(wrapped.import.request(), 100_000).unwrap();
    let layer: Layer = cbor::decode(&request.layer, 100_000).unwrap();
    assert_eq!(
        world.answer_challenge(&cbor::encode(&layer)).err(),
        Some(Code::UnwrapFailed)
    );
}

#[tokio::test]
async fn wrapped_bytes_never_repeat_and_tell_little_of_the_size() {
    let world = World::new();
    let one = wrapped(&world, Suites::default(), &ed25519(), &order()).await;
    let other = wrapped(
        &world,
        Suites::default(),
        &ed25519(),
        &KeyOrder {
            label: "x".into(),
            ..order()
        },
    )
    .await;
    assert_ne!(one.import.key(), other.import.key());
    assert_eq!(one.import.request().len(), other.import.request().len());
}

async fn refusal(
    material: Material,
    change: impl FnOnce(&World, &mut KeyOrder),
) -> Option<WrapError> {
    let world = World::new();
    let mut order = order();
    change(&world, &mut order);
    let keys = keys(&world, Suites::default()).await.unwrap();
    wrap(keys, &material, &order, &owner(), world.now_s).err()
}

fn terms(order: &mut KeyOrder) -> &mut LeaseTerms {
    &mut order.revocation.as_mut().unwrap().terms
}

#[tokio::test]
async fn wrp_2_to_wrp_4_the_proof_must_be_of_now() {
    let world = World::new();
    let at = async |now_s: u64| {
        let keys = keys(&world, Suites::default()).await.unwrap();
        wrap(keys, &ed25519(), &order(), &owner(), now_s).err()
    };
    assert!(at(world.now_s + 3600).await.is_none());
    assert!(matches!(
        at(world.now_s + 3601).await,
        Some(WrapError::StaleProof { age_s: 3601, .. })
    ));
    assert!(matches!(
        at(world.now_s - 301).await,
        Some(WrapError::Clock { .. })
    ));
}

#[tokio::test]
async fn wrp_5_to_wrp_7_names_and_uses() {
    assert!(refusal(ed25519(), |_, _| ()).await.is_none());
    let partition = refusal(ed25519(), |_, order| order.partition = "x".repeat(65)).await;
    assert!(matches!(partition, Some(WrapError::Partition(_))));
    let partition = refusal(ed25519(), |_, order| order.partition.clear()).await;
    assert!(matches!(partition, Some(WrapError::Partition(_))));
    let label = refusal(ed25519(), |_, order| order.label = "x".repeat(129)).await;
    assert!(matches!(label, Some(WrapError::Label)));
    let class = refusal(ed25519(), |_, order| order.class = UsageClass::Decrypt).await;
    assert!(matches!(class, Some(WrapError::Class { .. })));
    let algorithm = refusal(ed25519(), |_, order| {
        order.algorithms = vec![Algorithm::EcdsaSha256]
    })
    .await;
    assert!(matches!(
        algorithm,
        Some(WrapError::Algorithm {
            algorithm: Algorithm::EcdsaSha256,
            ..
        })
    ));
}

#[tokio::test]
async fn wrp_8_revocation_terms_out_of_bounds() {
    let changes: [fn(&mut KeyOrder); 6] = [
        |order| terms(order).interval_s = 4,
        |order| terms(order).interval_s = 8 * 24 * 3600,
        |order| terms(order).grace_s = 301,
        |order| terms(order).skew_s = 0,
        |order| order.revocation.as_mut().unwrap().services.clear(),
        |order| order.revocation.as_mut().unwrap().services[0].host = "user@host/path".into(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let error = refusal(ed25519(), |_, order| change(order)).await;
        assert!(
            matches!(error, Some(WrapError::Revocation { .. })),
            "change {number}"
        );
    }
}

#[tokio::test]
async fn wrp_9_a_key_without_r_needs_a_hard_end() {
    let end = |after_s: u64| {
        refusal(ed25519(), move |world, order| {
            order.revocation = None;
            order.hard_end_s = Some(world.now_s + after_s);
        })
    };
    assert!(end(397 * DAY).await.is_none());
    assert!(matches!(
        end(397 * DAY + 60).await,
        Some(WrapError::HardEnd { .. })
    ));
    assert!(matches!(end(0).await, Some(WrapError::HardEnd { .. })));
    let none = refusal(ed25519(), |_, order| order.revocation = None).await;
    assert!(matches!(none, Some(WrapError::NoHardEnd { .. })));
}

#[tokio::test]
async fn wrp_10_the_largest_key_with_the_longest_names_is_within_every_limit() {
    let pem = include_bytes!("../keys/rsa-4096.pem");
    let largest = keyfile::parse(KeyKind::Rsa4096, pem).unwrap();
    let error = refusal(largest, |_, order| {
        order.partition = "p".repeat(64);
        order.label = "l".repeat(128);
        let revocation = order.revocation.as_mut().unwrap();
        let service = |at: u8| ServiceOrder {
            host: "h".repeat(128),
            status_root: PublicKey::P256 {
                x: [at; 32],
                y: [at; 32],
            },
        };
        revocation.services = (1..=3).map(service).collect();
    })
    .await;
    assert!(error.is_none(), "{error:?}");
}
