//! PRF-1 to PRF-17: the valid proof, and the same with exactly one defect.

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::known::Known;
use cofferdam::verify::{Consulted, FreshNonce, ProofError, Verifier};
use cofferdam_attestation::EvidenceError;
use cofferdam_wire::binding::PolicyBounds;
use cofferdam_wire::cbor;
use cofferdam_wire::id::{Digest, GroupId, Nonce};
use cofferdam_wire::kind::{EscrowMode, Suite};
use cofferdam_wire::transcript::Proof;

use crate::world::{Draft, FOREIGN_IMAGE, IMAGE, World};

const DAY: u64 = 24 * 3600;

fn refusal(change: impl FnOnce(&World, &mut Draft)) -> ProofError {
    let world = World::new();
    let error = world
        .judge(&world.verifier(), |draft| change(&world, draft))
        .err();
    error.unwrap_or_else(|| panic!("the defect was accepted"))
}

/// Changes the assembled proof instead of its draft.
fn tampered(change: impl FnOnce(&mut Proof)) -> ProofError {
    let world = World::new();
    let nonce = FreshNonce::draw();
    let mut proof = world.assemble(&world.draft(nonce.as_nonce()));
    change(&mut proof);
    let error = world
        .verifier()
        .verify(
            &cbor::encode(&proof),
            nonce,
            Consulted::default(),
            world.now_s,
        )
        .err();
    error.unwrap_or_else(|| panic!("the defect was accepted"))
}

#[test]
fn prf_0_the_valid_proof_passes_and_says_what_it_proves() {
    let world = World::new();
    let proven = world.proven();
    assert_eq!(proven.group(), world.group());
    assert_eq!(proven.binding(), &world.binding());
    assert_eq!(proven.vendor_sequence(), 10);
    assert_eq!(proven.provider_keys(), world.provider_keys());
    assert_eq!(proven.instance().evidence_s(), world.now_s);
}

#[test]
fn prf_1_every_part_must_be_well_formed() {
    let world = World::new();
    let nonce = FreshNonce::draw();
    let mut proof = world.proof(nonce.as_nonce(), |_| ());
    proof.push(0);
    let error = world
        .verifier()
        .verify(&proof, nonce, Consulted::default(), world.now_s)
        .err()
        .unwrap();
    assert!(matches!(error, ProofError::Malformed("bundle")), "{error}");
    for error in [
        tampered(|proof| proof.enclave.binding.push(0)),
        tampered(|proof| proof.enclave.genesis.push(0)),
        tampered(|proof| proof.vendor_statement.push(0)),
    ] {
        assert_eq!(error.check(), "PRF-1", "{error}");
    }
}

#[test]
fn prf_2_t04_the_pinned_root_decides_not_the_bundle() {
    let world = World::new();
    let mut file = world.trust_file();
    file.attestation_root = "aws-nitro".into();
    let verifier = Verifier::new(file.check().unwrap(), Known::in_memory());
    let error = world.judge(&verifier, |_| ()).err().unwrap();
    assert!(
        matches!(error, ProofError::Evidence(EvidenceError::UntrustedRoot)),
        "{error}"
    );
}

#[test]
fn prf_2_t06_a_debug_enclave_is_refused_also_when_its_zeros_are_listed() {
    let error = refusal(|_, draft| {
        let zeros = cofferdam_wire::binding::Measurement {
            pcr0: [0; 48],
            pcr1: [0; 48],
            pcr2: [0; 48],
        };
        draft.measurement = zeros;
        draft.binding.measurements = vec![zeros];
        draft.statement.images[0].measurement = zeros;
    });
    assert!(
        matches!(error, ProofError::Evidence(EvidenceError::DebugMode)),
        "{error}"
    );
}

#[test]
fn prf_3_t03_evidence_for_another_nonce_is_a_replay() {
    let error = refusal(|_, draft| draft.nonce = Nonce([7; 32]));
    assert!(matches!(error, ProofError::Nonce), "{error}");
}

#[test]
fn prf_4_t08_evidence_over_another_binding_is_refused() {
    let error = refusal(|_, draft| draft.user_data = Some([7; 48]));
    assert_eq!(error.check(), "PRF-4", "{error}");
    let attacker = cofferdam::crypto::hpke::PrivateKey::generate().public();
    let world = World::new();
    let error = tampered(|proof| {
        let mut binding = world.binding();
        binding.session.public = attacker.to_vec();
        proof.enclave.binding = cbor::encode(&binding);
    });
    assert!(matches!(error, ProofError::UserData), "{error}");
}

#[test]
fn prf_5_the_instance_key_is_the_one_in_the_evidence() {
    assert_eq!(
        refusal(|_, draft| draft.public_key = Some(vec![7; 44])).check(),
        "PRF-5"
    );
    let p256 = SigningKey::generate(SignatureKind::P256).public();
    assert_eq!(
        refusal(|_, draft| draft.binding.instance = p256).check(),
        "PRF-5"
    );
}

#[test]
fn prf_6_a_binding_that_no_image_makes_is_refused() {
    let changes: [fn(&World, &mut Draft); 12] = [
        |_, draft| draft.binding.version = 2,
        |_, draft| draft.binding.chain_head = Digest([1; 32]),
        |_, draft| draft.binding.measurements.clear(),
        |_, draft| draft.binding.measurements = vec![IMAGE, IMAGE],
        |_, draft| draft.binding.setup.truncate(1215),
        |_, draft| draft.binding.session.public.truncate(1215),
        |world, draft| draft.binding.session.not_after_s = world.now_s + 2 * DAY,
        |_, draft| draft.binding.tee[0].public.truncate(1215),
        |_, draft| draft.binding.tee[1].suite = Suite::XWing,
        |world, draft| draft.binding.tee[0].not_after_s = world.now_s + 31 * DAY,
        |_, draft| draft.binding.tee[0].epoch = 2,
        |_, draft| {
            draft.binding.bounds = PolicyBounds {
                grace_max_s: 3601,
                ..PolicyBounds::IMAGE
            }
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let error = refusal(change);
        assert_eq!(error.check(), "PRF-6", "change {number}: {error}");
    }
}

#[test]
fn prf_7_an_image_that_its_group_does_not_admit_is_refused() {
    let error = refusal(|_, draft| draft.measurement = FOREIGN_IMAGE);
    assert!(
        matches!(&error, ProofError::NotAdmitted(image) if **image == FOREIGN_IMAGE),
        "{error}"
    );
}

#[test]
fn prf_8_t53_only_the_pinned_vendor_speaks() {
    let error = refusal(|_, draft| draft.vendor = Some(SigningKey::generate(SignatureKind::P256)));
    assert!(matches!(error, ProofError::VendorSignature), "{error}");
}

#[test]
fn prf_9_t66_only_a_current_statement_counts() {
    let world = World::new();
    let at_the_edge = world.judge(&world.verifier(), |draft| {
        draft.statement.issued_s = world.now_s - 7 * DAY
    });
    assert!(at_the_edge.is_ok());
    let changes: [fn(&World, &mut Draft); 5] = [
        |_, draft| draft.statement.version = 2,
        |world, draft| draft.statement.issued_s = world.now_s + 600,
        |world, draft| draft.statement.not_after_s = world.now_s,
        |world, draft| draft.statement.not_after_s = world.now_s + 90 * DAY,
        |world, draft| draft.statement.issued_s = world.now_s - 7 * DAY - 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let error = refusal(change);
        assert_eq!(error.check(), "PRF-9", "change {number}: {error}");
    }
}

#[test]
fn prf_10_t66_an_older_statement_than_one_seen_is_refused_also_after_a_restart() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let verifier = || {
        Verifier::new(
            world.trust(),
            Known::in_directory(directory.path()).unwrap(),
        )
    };
    assert!(
        world
            .judge(&verifier(), |draft| draft.statement.sequence = 11)
            .is_ok()
    );
    let error = world.judge(&verifier(), |_| ()).err().unwrap();
    assert!(
        matches!(
            error,
            ProofError::VendorSequence {
                got: 10,
                highest: 11
            }
        ),
        "{error}"
    );
    assert!(
        world
            .judge(&verifier(), |draft| draft.statement.sequence = 11)
            .is_ok()
    );
}

#[test]
fn prf_10_t66_a_statement_that_refuses_the_proof_is_remembered_also_after_a_restart() {
    let defects: [(&str, fn(&mut Draft)); 4] = [
        ("PRF-11", |draft| draft.statement.images.clear()),
        ("PRF-14", |draft| {
            draft.genesis_measurement = FOREIGN_IMAGE;
        }),
        ("PRF-17", |draft| draft.provider_keys.clear()),
        ("PRF-22", |draft| {
            let again = draft.statement.providers[0].clone();
            draft.statement.providers.push(again);
        }),
    ];
    for (check, defect) in defects {
        let world = World::new();
        let directory = tempfile::tempdir().unwrap();
        let known = || Known::in_directory(directory.path()).unwrap();
        let verifier = Verifier::new(world.trust(), known());
        let refused = world.judge(&verifier, |draft| {
            draft.statement.sequence = 11;
            defect(draft);
        });
        assert_eq!(refused.err().unwrap().check(), check);
        for verifier in [verifier, Verifier::new(world.trust(), known())] {
            let error = world.judge(&verifier, |_| ()).err().unwrap();
            assert_eq!(error.check(), "PRF-10", "after {check}: {error}");
        }
    }
}

#[test]
fn prf_10_t66_a_statement_that_does_not_count_is_not_remembered() {
    let world = World::new();
    let verifier = world.verifier();
    let stranger = || Some(SigningKey::generate(SignatureKind::P256));
    let defects: [&dyn Fn(&mut Draft); 2] = [&|draft| draft.vendor = stranger(), &|draft| {
        draft.statement.issued_s -= 8 * DAY
    }];
    for defect in defects {
        let refused = world.judge(&verifier, |draft| {
            draft.statement.sequence = 99;
            defect(draft);
        });
        assert!(refused.is_err());
    }
    assert!(world.judge(&verifier, |_| ()).is_ok());
}

#[test]
fn prf_16_t20_a_refused_proof_leaves_no_group_behind() {
    let world = World::new();
    let verifier = world.verifier();
    let other = |draft: &mut Draft| {
        draft.genesis_body.random = Digest([9; 32]);
        draft.binding.group = GroupId::of(&cbor::encode(&draft.genesis_body));
        draft.binding.chain_head = cofferdam_wire::binding::empty_chain(&draft.binding.group);
    };
    let refused = world.judge(&verifier, |draft| {
        other(draft);
        draft.provider_keys.clear();
    });
    assert_eq!(refused.err().unwrap().check(), "PRF-17");
    assert!(world.judge(&verifier, |_| ()).is_ok());
    let error = world.judge(&verifier, other).err().unwrap();
    assert_eq!(error.check(), "PRF-16", "{error}");
}

#[test]
fn prf_11_t53_every_admitted_image_must_be_acceptable() {
    let error = refusal(|_, draft| draft.binding.measurements = vec![IMAGE, FOREIGN_IMAGE]);
    assert!(
        matches!(&error, ProofError::MeasurementRefused(image) if **image == FOREIGN_IMAGE),
        "{error}"
    );
    let withdrawn = refusal(|world, draft| draft.statement.images[0].until_s = Some(world.now_s));
    assert_eq!(withdrawn.check(), "PRF-11", "{withdrawn}");
    let world = World::new();
    let mut file = world.trust_file();
    file.measurements = Some(Vec::new());
    let verifier = Verifier::new(file.check().unwrap(), Known::in_memory());
    assert_eq!(
        world.judge(&verifier, |_| ()).err().unwrap().check(),
        "PRF-11"
    );
}

#[test]
fn prf_12_the_genesis_record_makes_the_group_of_the_binding() {
    let error = refusal(|_, draft| draft.genesis_body.random = Digest([9; 32]));
    assert!(matches!(error, ProofError::GenesisGroup { .. }), "{error}");
}

#[test]
fn prf_13_genesis_evidence_is_of_this_body_and_of_nothing_else() {
    let error = refusal(|_, draft| draft.genesis_nonce = Some([7; 32]));
    assert!(
        matches!(error, ProofError::GenesisEvidence(EvidenceError::Nonce)),
        "{error}"
    );
    let error = refusal(|_, draft| draft.genesis_public_key = Some(vec![7; 44]));
    assert!(matches!(error, ProofError::GenesisPublicKey), "{error}");
}

#[test]
fn prf_14_t80_the_image_that_made_the_group_was_good_then() {
    let error = refusal(|_, draft| draft.genesis_measurement = FOREIGN_IMAGE);
    assert!(
        matches!(&error, ProofError::GenesisMeasurement(image) if **image == FOREIGN_IMAGE),
        "{error}"
    );
    // An image that was withdrawn later may have made the group, a condemned one may not.
    let world = World::new();
    let judge = |until_s| {
        world.judge(&world.verifier(), |draft| {
            draft.genesis_measurement = FOREIGN_IMAGE;
            let image = draft.statement.images[0].clone();
            let old = cofferdam_wire::vendor::Image {
                measurement: FOREIGN_IMAGE,
                until_s,
                ..image
            };
            draft.statement.images.push(old);
        })
    };
    assert!(judge(Some(world.now_s - 99 * DAY)).is_ok());
    assert_eq!(
        judge(Some(world.now_s - 100 * DAY)).err().unwrap().check(),
        "PRF-14"
    );
    assert_eq!(judge(Some(0)).err().unwrap().check(), "PRF-14");
}

#[test]
fn prf_15_the_genesis_body_keeps_its_rules_and_names_the_escrow() {
    let changes: [fn(&mut Draft); 6] = [
        |draft| draft.genesis_body.version = 2,
        |draft| draft.genesis_body.threshold = 3,
        |draft| draft.genesis_body.threshold = 1,
        |draft| draft.genesis_body.shares.truncate(2),
        |draft| draft.genesis_body.officers[1] = draft.genesis_body.officers[0].clone(),
        |draft| draft.genesis_body.officers.truncate(2),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let error = refusal(|_, draft| {
            change(draft);
            draft.binding.group = GroupId::of(&cbor::encode(&draft.genesis_body));
            draft.binding.chain_head = cofferdam_wire::binding::empty_chain(&draft.binding.group);
        });
        assert_eq!(error.check(), "PRF-15", "change {number}: {error}");
    }
    let error = refusal(|_, draft| draft.binding.escrow = EscrowMode::None);
    assert_eq!(error.check(), "PRF-15", "{error}");
}

/// Another group of the same provider: everything valid, made anew.
fn another_group(draft: &mut Draft) {
    draft.genesis_body.random = Digest([9; 32]);
    draft.binding.group = GroupId::of(&cbor::encode(&draft.genesis_body));
    draft.binding.chain_head = cofferdam_wire::binding::empty_chain(&draft.binding.group);
}

#[test]
fn prf_16_t20_a_fresh_install_is_not_the_group_that_was_known() {
    let world = World::new();
    let verifier = world.verifier();
    assert!(world.judge(&verifier, |_| ()).is_ok());
    let error = world.judge(&verifier, another_group).err().unwrap();
    assert!(
        matches!(error, ProofError::Group { expected, .. } if expected == world.group()),
        "{error}"
    );
    // Whoever has never seen the provider has nothing to compare with, unless the trust file names the group.
    assert!(world.judge(&world.verifier(), another_group).is_ok());
    let mut file = world.trust_file();
    file.group = Some(world.group().to_string());
    let pinned = Verifier::new(file.check().unwrap(), Known::in_memory());
    assert_eq!(
        world.judge(&pinned, another_group).err().unwrap().check(),
        "PRF-16"
    );
    assert!(world.judge(&pinned, |_| ()).is_ok());
}

#[test]
fn prf_17_t02_provider_keys_are_in_the_vendors_table() {
    let error = refusal(|_, draft| {
        draft.provider_keys[0].public = cofferdam::crypto::hpke::PrivateKey::generate()
            .public()
            .to_vec();
    });
    assert!(matches!(error, ProofError::ProviderKey(_)), "{error}");
    assert!(matches!(
        refusal(|_, draft| draft.provider_keys.clear()),
        ProofError::ProviderKeys
    ));
    assert!(matches!(
        refusal(|_, draft| draft.provider_keys[1].suite = Suite::XWing),
        ProofError::ProviderKeys
    ));
}
