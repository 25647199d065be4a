//! Stored records in hostile hands: with an old disk, with the group key, with both (P1, P5).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::{kdf, xaes};
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::{App, Customer, World};
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::group::{GenesisRecord, group_key_commitment};
use cofferdam_wire::id::{GroupId, KeyId, Token};
use cofferdam_wire::import::{Control, Material, Statement, control_hash};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, UsageClass};
use cofferdam_wire::record::{Part, StoredRecord, part_info};
use cofferdam_wire::revocation::Revocation;
use cofferdam_wire::status::Status;
use cofferdam_wire::{Code, cbor, context, limits};

struct Scene {
    world: World,
    customer: Customer,
    key: KeyId,
    token: Token,
    material: Vec<u8>,
    release: Vec<u8>,
}

fn scene() -> Scene {
    let mut world = World::with_group();
    let customer = Customer::new();
    let material = p256_material();
    let draft = customer.draft(&mut world, KeyKind::EcP256, UsageClass::Sign, &material);
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    Scene {
        world,
        customer,
        key,
        token: draft.token(),
        material,
        release: draft.release_secrets.clone(),
    }
}

impl Scene {
    fn sign(&mut self) -> Result<Vec<u8>, Code> {
        let app = App::with_grant(
            &mut self.world,
            &self.customer,
            &[self.key],
            &[Action::Sign],
        )?;
        app.sign(&mut self.world, self.key, Algorithm::EcdsaSha256)
    }

    fn group(&self) -> GroupId {
        let record: GenesisRecord =
            cbor::decode(&self.world.genesis, limits::GENESIS_RECORD).unwrap();
        GroupId::of(&record.body)
    }

    /// What K officers can do outside of any enclave: pool their shares.
    fn pooled_group_key(&self) -> Secret32 {
        let shares: Vec<Vec<u8>> = self.world.officers.shares[..2]
            .iter()
            .map(|(_, value)| value.clone())
            .collect();
        let key = vsss_rs::Gf256::combine_bytes(&shares).unwrap();
        let record: GenesisRecord =
            cbor::decode(&self.world.genesis, limits::GENESIS_RECORD).unwrap();
        let body: cofferdam_wire::group::GenesisBody =
            cbor::decode(&record.body, limits::GENESIS_BODY).unwrap();
        let key = Secret32::from_slice(&key).unwrap();
        assert_eq!(
            group_key_commitment(key.expose()),
            body.group_key,
            "this is the group key"
        );
        key
    }

    fn record(&self) -> StoredRecord {
        cbor::decode(&self.world.store[&self.key], limits::RECORD).unwrap()
    }

    fn control_key(&self) -> (Secret32, Vec<u8>) {
        let info = part_info(Part::Control, &self.group(), &self.key, true);
        (
            kdf::derive(&[self.pooled_group_key().expose()], &info),
            info,
        )
    }

    fn control(&self) -> Control {
        let (key, info) = self.control_key();
        let control = xaes::open_with_leading_nonce(&key, &info, &self.record().control).unwrap();
        cbor::decode(&control, limits::CONTROL).unwrap()
    }

    /// Puts another control into the stored record, sealed as the enclave would.
    fn rewrite_control(&mut self, change: impl FnOnce(&mut Control)) {
        let mut control = self.control();
        change(&mut control);
        let (key, info) = self.control_key();
        let mut record = self.record();
        record.control =
            xaes::seal_with_random_nonce(&key, &info, &cbor::encode(&control)).unwrap();
        self.world.store.insert(self.key, cbor::encode(&record));
    }

    fn store(&mut self, record: &StoredRecord) {
        self.world.store.insert(self.key, cbor::encode(record));
    }
}

#[test]
fn t17_an_old_disk_brings_a_revoked_key_nothing() {
    let mut scene = scene();
    scene.sign().unwrap();
    let old_disk = scene.world.store.clone();
    scene
        .world
        .set_status(&scene.token.clone(), Status::Revoked);
    let token = scene.token;
    scene
        .world
        .service()
        .keys
        .get_mut(&token)
        .unwrap()
        .release
        .clear(); // destroyed, for ever
    scene.world.store.clear();

    scene.world.store = old_disk;
    scene.world.restart_and_recover();
    assert_eq!(scene.sign(), Err(Code::Revoked));
}

#[test]
fn t64_pooled_shares_and_every_disk_do_not_open_the_material() {
    let scene = scene();
    let group_key = scene.pooled_group_key();
    assert_eq!(
        scene.control().owner,
        scene.customer.owner.public(),
        "the group key opens control"
    );
    let sealed = scene.record().material;
    let open = |release: &[u8], with_release| {
        let info = part_info(Part::Material, &scene.group(), &scene.key, with_release);
        let key = kdf::derive(&[group_key.expose(), release], &info);
        xaes::open_with_leading_nonce(&key, &info, &sealed).ok()
    };
    let token = scene.token.0;
    let salt = scene.control().salt.0;
    for guess in [&[][..], &[0; 32], &token, &salt, group_key.expose()] {
        assert!(open(guess, true).is_none() && open(guess, false).is_none());
    }
    // The search knows what it looks for: with the service's secret it opens.
    let opened = open(&scene.release, true).unwrap();
    let material: Material<'_> = cbor::decode(&opened, limits::MATERIAL).unwrap();
    assert_eq!(material.cose_key, scene.material);
}

#[test]
fn t64_without_an_answer_a_recovered_enclave_keeps_the_material_closed() {
    let mut scene = scene();
    scene.world.restart_and_recover();
    scene.world.carry = cofferdam_e2e::world::Carry::Drop;
    assert_eq!(scene.sign(), Err(Code::LeaseUnavailable));
    assert_eq!(scene.world.health().active, 0);
}

#[test]
fn rec_1_a_record_under_another_id_is_refused() {
    let mut scene = scene();
    let record = scene.world.store[&scene.key].clone();
    let other = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (other, _) = scene.customer.import(&mut scene.world, &other).unwrap();
    scene.world.store.insert(other, record);
    let app =
        App::with_grant(&mut scene.world, &scene.customer, &[other], &[Action::Sign]).unwrap();
    assert_eq!(
        app.sign(&mut scene.world, other, Algorithm::EcdsaSha256),
        Err(Code::RecordRefused)
    );
    scene.sign().unwrap();
}

#[test]
fn t77_rec_2_the_owners_signature_is_verified_at_every_load() {
    let mut scene = scene();
    let mut record = scene.record();
    let mut signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT).unwrap();
    signed.signature[10] ^= 1;
    record.statement = signed.to_bytes();
    scene.store(&record);
    assert_eq!(scene.sign(), Err(Code::RecordRefused));
}

#[test]
fn t77_rec_2_a_provider_cannot_put_a_key_of_its_own_under_the_customers_id() {
    // Everything is consistent and sealed with the group key; only the owner did not sign it.
    let mut scene = scene();
    let provider = Customer::new();
    let mut record = scene.record();
    let signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT).unwrap();
    record.statement = provider
        .owner
        .sign1(context::STATEMENT, signed.payload)
        .to_bytes();
    scene.store(&record);
    assert_eq!(scene.sign(), Err(Code::RecordRefused));
}

#[test]
fn t77_rec_4_control_rewritten_with_the_group_key_is_refused() {
    let provider = Customer::new().owner.public();
    type Change = Box<dyn FnOnce(&mut Control)>;
    let changes: [(&str, Change); 4] = [
        (
            "interval",
            Box::new(|control| {
                let Some(Revocation::Services { terms, .. }) = &mut control.revocation else {
                    unreachable!()
                };
                terms.interval_s = limits::INTERVAL_MAX_S;
            }),
        ),
        (
            "service",
            Box::new(move |control| {
                let Some(Revocation::Services { services, .. }) = &mut control.revocation else {
                    unreachable!()
                };
                services[0].status_root = provider;
            }),
        ),
        ("owner", Box::new(move |control| control.owner = provider)),
        (
            "policy",
            Box::new(|control| control.policy.algorithms = vec![Algorithm::EcdsaSha384]),
        ),
    ];
    let mut scene = scene();
    let good = scene.world.store[&scene.key].clone();
    for (what, change) in changes {
        scene.rewrite_control(change);
        assert_eq!(scene.sign(), Err(Code::RecordRefused), "{what}");
        scene.world.store.insert(scene.key, good.clone());
    }
    scene.sign().unwrap();
}

#[test]
fn t77_rec_5_control_and_a_statement_that_fits_it_still_need_the_owner() {
    let mut scene = scene();
    let mut record = scene.record();
    let signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT).unwrap();
    let mut statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT).unwrap();
    let mut control = scene.control();
    control.label = "rewritten".into();
    statement.control = control_hash(&cbor::encode(&control));
    let statement = cbor::encode(&statement);
    let key = KeyId::of(&statement);
    record.statement = CoseSign1 {
        payload: statement,
        ..signed
    }
    .to_bytes();
    scene.world.store.insert(scene.key, cbor::encode(&record));
    assert_eq!(scene.sign(), Err(Code::RecordRefused), "under the old id");
    scene.world.store.insert(key, cbor::encode(&record));
    scene.key = key;
    assert_eq!(scene.sign(), Err(Code::RecordRefused), "under its own id");
}

#[test]
fn rec_3_t18_a_record_of_another_group_is_refused_and_others_work() {
    let mut scene = scene();
    let mut other = World::with_group();
    let foreign = scene.customer.draft(
        &mut other,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (foreign, _) = scene.customer.import(&mut other, &foreign).unwrap();
    scene
        .world
        .store
        .insert(foreign, other.store[&foreign].clone());
    let app = App::with_grant(
        &mut scene.world,
        &scene.customer,
        &[foreign],
        &[Action::Sign],
    )
    .unwrap();
    assert_eq!(
        app.sign(&mut scene.world, foreign, Algorithm::EcdsaSha256),
        Err(Code::RecordRefused)
    );
    scene.sign().unwrap();
}

#[test]
fn rec_6_material_that_is_not_the_stated_one_stays_closed() {
    let mut scene = scene();
    let group_key = scene.pooled_group_key();
    let info = part_info(Part::Material, &scene.group(), &scene.key, true);
    // Somebody has group key and release secret, and puts a key of his own in.
    let key = kdf::derive(&[group_key.expose(), &scene.release], &info);
    let own = cbor::encode(&Material {
        salt: &[3; 32],
        cose_key: &p256_material(),
    });
    let mut record = scene.record();
    record.material = xaes::seal_with_random_nonce(&key, &info, &own).unwrap();
    scene.store(&record);
    assert_eq!(scene.sign(), Err(Code::RecordRefused));
}

#[test]
fn t21_any_bit_of_a_record_counts() {
    let mut scene = scene();
    let good = scene.world.store[&scene.key].clone();
    for at in (0..good.len()).step_by(61).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        scene.world.store.insert(scene.key, bad);
        assert!(scene.sign().is_err(), "byte {at}");
    }
    scene.world.store.insert(scene.key, good);
    scene.sign().unwrap();
}
