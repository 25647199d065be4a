//! PRF-20 to PRF-26: what the vendor's statement and the validators say beyond measurements and keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::known::Known;
use cofferdam::session::prove;
use cofferdam::trust::{TrustFile, TrustedValidator};
use cofferdam::verify::{Consulted, FreshNonce, ProofError, Proven, ValidatorError, Verifier};
use cofferdam_wire::cbor;
use cofferdam_wire::context;
use cofferdam_wire::id::{Nonce, Pcr, RecipientId};
use cofferdam_wire::transcript::Proof;
use cofferdam_wire::validator::{KeyStatus, ValidatorAnswer};
use cofferdam_wire::vendor::{Image, Provider};

use crate::enclave::Played;
use crate::web::{Answers, Web};
use crate::world::{Draft, FOREIGN_IMAGE, World};

const DAY: u64 = 24 * 3600;
const SIGNER: [u8; 48] = [8; 48];
const ROLE: [u8; 48] = [3; 48];

fn judged(change: impl FnOnce(&World, &mut Draft)) -> Result<Proven, ProofError> {
    let world = World::new();
    world.judge(&world.verifier(), |draft| change(&world, draft))
}

fn refusal(change: impl FnOnce(&World, &mut Draft)) -> ProofError {
    judged(change)
        .err()
        .unwrap_or_else(|| panic!("the defect was accepted"))
}

/// The statement names a signer, and both pieces of Evidence show it.
fn signed(draft: &mut Draft) {
    draft.statement.images[0].pcr8 = Some(Pcr(SIGNER));
    draft.further = vec![(8, SIGNER)];
    draft.genesis_further = vec![(8, SIGNER)];
}

#[test]
fn prf_20_t53_evidence_shows_the_signer_that_the_statement_names() {
    assert!(judged(|_, draft| signed(draft)).is_ok());
    let defects: [fn(&mut Draft); 4] = [
        |draft| draft.further = vec![(8, [0; 48])],
        |draft| draft.further.clear(),
        |draft| draft.genesis_further = vec![(8, [9; 48])],
        |draft| draft.genesis_further.clear(),
    ];
    for (number, defect) in defects.into_iter().enumerate() {
        let error = refusal(|_, draft| {
            signed(draft);
            defect(draft);
        });
        assert_eq!(error.check(), "PRF-20", "defect {number}: {error}");
    }
    // A statement that names no signer asks for none.
    assert!(judged(|_, draft| draft.further = vec![(8, [9; 48])]).is_ok());
}

#[test]
fn prf_21_t32_what_a_newer_image_made_does_not_go_to_an_older_one() {
    let made_by = |epoch| {
        judged(|_, draft| {
            draft.genesis_measurement = FOREIGN_IMAGE;
            draft.statement.images.push(Image {
                measurement: FOREIGN_IMAGE,
                epoch,
                ..draft.statement.images[0].clone()
            });
        })
    };
    assert!(made_by(0).is_ok() && made_by(1).is_ok());
    let error = made_by(2).err().unwrap();
    assert!(matches!(error, ProofError::OlderImage(_)), "{error}");
    assert_eq!(error.check(), "PRF-21");
}

#[test]
fn prf_22_t02_all_keys_offered_are_of_one_provider() {
    let split = |draft: &mut Draft| {
        let second = draft.statement.providers[0].keys.pop().unwrap();
        draft.statement.providers.push(Provider {
            name: "other".into(),
            keys: vec![second],
            pcr3: vec![],
        });
    };
    let error = refusal(|_, draft| split(draft));
    assert!(matches!(error, ProofError::SeveralProviders), "{error}");
    // Each of the two may offer its own.
    let alone = judged(|_, draft| {
        split(draft);
        draft.provider_keys.remove(0);
    });
    assert_eq!(alone.unwrap().provider(), "other");
    let named_twice = refusal(|_, draft| {
        let again = draft.statement.providers[0].clone();
        draft.statement.providers.push(again);
    });
    assert_eq!(named_twice.check(), "PRF-22", "{named_twice}");
}

#[test]
fn prf_23_t02_a_genuine_image_on_somebody_elses_machine_is_not_this_providers() {
    let on = |role: Option<[u8; 48]>| {
        judged(|_, draft| {
            draft.statement.providers[0].pcr3 = vec![Pcr([7; 48]), Pcr(ROLE)];
            draft.further = role.map(|role| (3, role)).into_iter().collect();
        })
    };
    assert_eq!(on(Some(ROLE)).unwrap().provider(), "acme");
    for role in [Some([4; 48]), Some([0; 48]), None] {
        let error = on(role).err().unwrap();
        assert!(
            matches!(&error, ProofError::Machine { provider } if provider == "acme"),
            "{error}"
        );
        assert_eq!(error.check(), "PRF-23");
    }
}

#[test]
fn prf_26_t02_another_provider_of_the_table_is_not_the_pinned_one() {
    let world = World::new();
    let pinned = |name: &str| {
        let mut file = world.trust_file();
        file.provider = Some(name.into());
        Verifier::new(file.check().unwrap(), Known::in_memory())
    };
    assert!(world.judge(&pinned("acme"), |_| ()).is_ok());
    // A consistent proof of somebody else: its own keys, its own role, its own enclave of the same genuine image.
    let by_other = |draft: &mut Draft| {
        draft.statement.providers[0].name = "other".into();
        draft.statement.providers[0].pcr3 = vec![Pcr(ROLE)];
        draft.further = vec![(3, ROLE)];
        draft.statement.providers.push(Provider {
            name: "acme".into(),
            keys: vec![RecipientId([7; 32])],
            pcr3: vec![Pcr([7; 48])],
        });
    };
    let anybody = world.judge(&world.verifier(), by_other);
    assert_eq!(anybody.unwrap().provider(), "other");
    let error = world.judge(&pinned("acme"), by_other).err().unwrap();
    assert!(matches!(error, ProofError::OtherProvider { .. }), "{error}");
    assert_eq!(error.check(), "PRF-26");
    let error = world.judge(&pinned("ACME"), |_| ()).err().unwrap();
    assert_eq!(error.check(), "PRF-26", "{error}");
}

#[test]
fn t53_neither_a_statement_without_evidence_nor_evidence_without_a_statement_is_a_proof() {
    let world = World::new();
    let judge = |evidence: bool, statement: bool| {
        let nonce = FreshNonce::draw();
        let mut proof = world.assemble(&world.draft(nonce.as_nonce()));
        if !evidence {
            proof.enclave.evidence.clear();
        }
        if !statement {
            proof.vendor_statement.clear();
        }
        let verifier = world.verifier();
        verifier.verify(
            &cbor::encode(&proof),
            nonce,
            Consulted::default(),
            world.now_s,
        )
    };
    assert!(judge(true, true).is_ok());
    assert_eq!(judge(false, true).err().unwrap().check(), "PRF-2");
    assert_eq!(judge(true, false).err().unwrap().check(), "PRF-1");
}

/// A world whose trust file names a vendor's address or validators at a web server of the test's own.
struct Consulting {
    world: World,
    web: Web,
    trust: TrustFile,
}

impl Consulting {
    async fn new(change: impl FnOnce(&mut TrustFile, &Web)) -> Self {
        let (world, web) = (World::new(), Web::start().await);
        let mut trust = world.trust_file();
        change(&mut trust, &web);
        Self { world, web, trust }
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(self.trust.check().unwrap(), Known::in_memory())
    }

    /// The provider staples a statement of sequence 10.
    async fn prove(&self) -> Result<Proven, ProofError> {
        self.prove_by(&self.verifier()).await
    }

    async fn prove_by(&self, verifier: &Verifier) -> Result<Proven, ProofError> {
        match prove(&Played::new(&self.world), verifier).await {
            Ok(proven) => Ok(proven),
            Err(cofferdam::session::SessionError::Proof(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }
}

const PATH: &str = "/statements/newest.cbor?channel=stable";

fn vendor_at(trust: &mut TrustFile, web: &Web) {
    trust.vendor_url = Some(format!("{}{PATH}", web.url));
    trust.vendor_ca = Some(web.ca_pem.clone());
}

#[tokio::test]
async fn prf_24_t66_of_two_statements_the_higher_sequence_counts() {
    let consulting = Consulting::new(vendor_at).await;
    let publish = |sequence, withdrawn: bool| {
        let mut statement = consulting.world.statement();
        statement.sequence = sequence;
        if withdrawn {
            statement.images.clear();
        }
        let signed = consulting.world.signed_statement(&statement);
        consulting.web.serve(PATH, signed);
    };
    publish(12, false);
    assert_eq!(consulting.prove().await.unwrap().vendor_sequence(), 12);
    publish(9, false);
    assert_eq!(consulting.prove().await.unwrap().vendor_sequence(), 10);
    // The provider goes on stapling a statement from before the withdrawal, and then keeps the vendor out of reach.
    publish(13, true);
    let verifier = consulting.verifier();
    let error = consulting.prove_by(&verifier).await.err().unwrap();
    assert_eq!(error.check(), "PRF-11", "{error}");
    consulting.web.serve(PATH, Vec::new());
    let error = consulting.prove_by(&verifier).await.err().unwrap();
    assert_eq!(error.check(), "PRF-10", "{error}");
    // A higher one that was seen once is remembered, wherever it came from.
    let verifier = consulting.verifier();
    publish(12, false);
    assert!(consulting.prove_by(&verifier).await.is_ok());
    consulting.web.serve(PATH, Vec::new());
    let error = consulting.prove_by(&verifier).await.err().unwrap();
    assert_eq!(error.check(), "PRF-10", "{error}");
}

#[tokio::test]
async fn prf_24_t66_what_the_vendors_address_gives_is_verified_like_any_other() {
    let mut consulting = Consulting::new(vendor_at).await;
    let newer = |change: &dyn Fn(&mut cofferdam_wire::vendor::VendorStatement)| {
        let mut statement = consulting.world.statement();
        statement.sequence = 11;
        change(&mut statement);
        statement
    };
    let stranger = SigningKey::generate(SignatureKind::Ed25519);
    let by_stranger = stranger.sign1(context::VENDOR_STATEMENT, cbor::encode(&newer(&|_| ())));
    let now_s = consulting.world.now_s;
    let old = newer(&|statement| statement.issued_s = now_s - 8 * DAY);
    let useless = [
        by_stranger.to_bytes(),
        consulting.world.signed_statement(&old),
        b"not found".to_vec(),
        vec![0; cofferdam_wire::limits::VENDOR_STATEMENT + 1],
    ];
    let good = consulting.world.signed_statement(&newer(&|_| ()));
    for (number, bytes) in useless.into_iter().enumerate() {
        consulting.web.serve(PATH, bytes);
        consulting.trust.vendor_url_required = false;
        let stapled = consulting.prove().await.unwrap();
        assert_eq!(stapled.vendor_sequence(), 10, "case {number}");
        consulting.trust.vendor_url_required = true;
        let error = consulting.prove().await.err().unwrap();
        assert_eq!(error.check(), "PRF-24", "case {number}: {error}");
    }
    consulting.web.serve(PATH, good);
    assert_eq!(consulting.prove().await.unwrap().vendor_sequence(), 11);
}

#[tokio::test]
async fn prf_24_a_required_address_that_nobody_answers_at_is_a_refusal() {
    let mut consulting = Consulting::new(|trust, _| {
        trust.vendor_url = Some("https://127.0.0.1:1/statement".into());
    })
    .await;
    assert!(consulting.prove().await.is_ok());
    consulting.trust.vendor_url_required = true;
    let error = consulting.prove().await.err().unwrap();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert_eq!(error.check(), "PRF-24");
    // So it is where nobody was given the chance to ask.
    let world = &consulting.world;
    let error = world.judge(&consulting.verifier(), |_| ()).err().unwrap();
    assert_eq!(error.check(), "PRF-24", "{error}");
}

#[tokio::test]
async fn prf_24_the_transcript_holds_the_statement_that_counted() {
    let consulting = Consulting::new(vendor_at).await;
    let world = &consulting.world;
    let mut newer = world.statement();
    newer.sequence = 11;
    let newer = world.signed_statement(&newer);
    consulting.web.serve(PATH, newer.clone());

    let (fresh, verifier) = (FreshNonce::draw(), consulting.verifier());
    let nonce = *fresh.as_nonce();
    let bytes = world.proof(&nonce, |_| ());
    let consulted = verifier.consult(&bytes).await;
    let proven = verifier.verify(&bytes, fresh, consulted, world.now_s);
    let mut proof: Proof = cbor::decode(&bytes, cofferdam_wire::limits::PROOF).unwrap();
    assert_ne!(proof.vendor_statement, newer);
    proof.vendor_statement = newer;
    assert_eq!(
        *proven.unwrap().transcript(),
        proof.transcript(&nonce, None)
    );
}

/// A validator of a few lines. `change` makes one defect in its answers.
fn validator(key: SigningKey, change: impl Fn(&mut ValidatorAnswer) + Send + 'static) -> Answers {
    Box::new(move |path| {
        let (id, nonce) = path.strip_prefix("/v1/validator/")?.split_once("?nonce=")?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let mut answer = ValidatorAnswer {
            version: 1,
            nonce: Nonce::from_hex(nonce)?,
            key: RecipientId::from_hex(id)?,
            status: KeyStatus::Current,
            issued_s: now.ok()?.as_secs(),
            valid_for_s: 600,
        };
        change(&mut answer);
        let signed = key.sign1(context::VALIDATOR_ANSWER, cbor::encode(&answer));
        Some(signed.to_bytes())
    })
}

/// Proves against one validator, whose key the trust file pins.
async fn validated(
    change: impl Fn(&mut ValidatorAnswer) + Send + 'static,
) -> (Result<Proven, ProofError>, usize) {
    let key = SigningKey::generate(SignatureKind::Ed25519);
    let pinned = hex::encode(key.public().to_cose());
    let consulting = Consulting::new(|trust, web| {
        trust.validators.push(TrustedValidator {
            url: web.url.clone(),
            key: pinned,
            ca: Some(web.ca_pem.clone()),
        });
    })
    .await;
    consulting.web.answer(validator(key, change));
    (consulting.prove().await, consulting.web.asked())
}

#[tokio::test]
async fn prf_25_t02_a_validator_must_say_current_of_each_key_offered() {
    let (proven, asked) = validated(|_| ()).await;
    assert!(proven.is_ok());
    assert_eq!(asked, 2, "one question for each key");
    let defects: [fn(&mut ValidatorAnswer); 8] = [
        |answer| answer.status = KeyStatus::Retired,
        |answer| answer.status = KeyStatus::Unknown,
        |answer| answer.nonce = Nonce([7; 32]),
        |answer| answer.key = RecipientId([7; 32]),
        |answer| answer.version = 2,
        |answer| answer.issued_s -= 601,
        |answer| answer.issued_s += 301,
        |answer| answer.valid_for_s = 3601,
    ];
    for (number, defect) in defects.into_iter().enumerate() {
        let error = validated(defect).await.0.err().unwrap();
        assert_eq!(error.check(), "PRF-25", "defect {number}: {error}");
    }
    let retired = validated(|answer| answer.status = KeyStatus::Retired)
        .await
        .0
        .err()
        .unwrap();
    assert!(
        retired
            .to_string()
            .contains("says that this key is retired"),
        "{retired}"
    );
}

#[tokio::test]
async fn prf_25_a_validators_answer_is_signed_by_the_pinned_key_and_silence_is_a_no() {
    let stranger = SigningKey::generate(SignatureKind::Ed25519);
    let consulting = Consulting::new(|trust, web| {
        let pinned = SigningKey::generate(SignatureKind::Ed25519).public();
        trust.validators.push(TrustedValidator {
            url: web.url.clone(),
            key: hex::encode(pinned.to_cose()),
            ca: Some(web.ca_pem.clone()),
        });
    })
    .await;
    let reason = |error| match error {
        ProofError::Validator { reason, .. } => *reason,
        other => panic!("{other}"),
    };
    consulting.web.answer(validator(stranger, |_| ()));
    let error = reason(consulting.prove().await.err().unwrap());
    assert!(matches!(error, ValidatorError::Signature), "{error}");
    consulting
        .web
        .answer(Box::new(|_| Some(b"current".to_vec())));
    let error = reason(consulting.prove().await.err().unwrap());
    assert!(matches!(error, ValidatorError::Malformed), "{error}");
    consulting.web.answer(Box::new(|_| None));
    let error = reason(consulting.prove().await.err().unwrap());
    assert!(matches!(error, ValidatorError::Call(_)), "{error}");
    // Nor is there a way around asking.
    let world = &consulting.world;
    let error = world.judge(&consulting.verifier(), |_| ()).err().unwrap();
    assert!(matches!(reason(error), ValidatorError::NotAsked));
}

#[tokio::test]
async fn prf_25_each_of_several_validators_is_asked() {
    let keys = [SignatureKind::Ed25519, SignatureKind::P256].map(SigningKey::generate);
    let publics: Vec<_> = keys
        .iter()
        .map(|key| hex::encode(key.public().to_cose()))
        .collect();
    let webs = [Web::start().await, Web::start().await];
    let consulting = Consulting::new(|trust, _| {
        for (web, key) in webs.iter().zip(&publics) {
            trust.validators.push(TrustedValidator {
                url: web.url.clone(),
                key: key.clone(),
                ca: Some(web.ca_pem.clone()),
            });
        }
    })
    .await;
    let says = Arc::new(Mutex::new(BTreeMap::from([
        (0, KeyStatus::Current),
        (1, KeyStatus::Current),
    ])));
    for (place, key) in keys.into_iter().enumerate() {
        let says = says.clone();
        let status = move || says.lock().unwrap()[&place];
        webs[place].answer(validator(key, move |answer| answer.status = status()));
    }
    assert!(consulting.prove().await.is_ok());
    for place in [0, 1] {
        says.lock().unwrap().insert(place, KeyStatus::Retired);
        let error = consulting.prove().await.err().unwrap();
        assert!(
            matches!(&error, ProofError::Validator { url, .. } if url.starts_with(&webs[place].url)),
            "{error}"
        );
        says.lock().unwrap().insert(place, KeyStatus::Current);
    }
}
