//! Imports with exactly one defect each, who refuses them, by which check, and with which code.

use cofferdam_wire::Code;
use cofferdam_wire::id::{Digest, GroupId, RecipientId};
use cofferdam_wire::kind::{Algorithm, KeyKind, Suite, UsageClass, WrapMode};
use cofferdam_wire::limits;

use super::draft::{Draft, NOW_S};
use super::keys::{Part, Signer, cose_map, fixed, p256_private, symmetric};

/// Who finds the defect.
pub(super) enum Refuser {
    /// The parent, and nothing reaches the enclave.
    ParentAlone,
    /// The parent; the enclave refuses what it would pass on with the same code.
    Both,
    /// The parent cannot see it.
    Enclave,
}

/// One defect.
pub(super) struct Defect {
    pub(super) suite: Suite,
    pub(super) name: &'static str,
    pub(super) refuser: Refuser,
    pub(super) check: &'static str,
    pub(super) code: Code,
    pub(super) put: fn(&mut Draft),
}

macro_rules! defects {
    ($($suite:ident $refuser:ident $check:literal $code:ident $name:literal $put:expr;)*) => {
        &[$(Defect {
            suite: Suite::$suite,
            name: $name,
            refuser: Refuser::$refuser,
            check: $check,
            code: Code::$code,
            put: $put,
        }),*]
    };
}

/// All of them.
pub(super) const DEFECTS: &[Defect] = defects! {
    // What the parent sees.
    XWing ParentAlone "PRX-1" Malformed "cut short" |d| d.spoil.import = |import| import.truncate(import.len() - 1);
    XWing ParentAlone "PRX-1" Malformed "a byte behind the end" |d| d.spoil.import = |import| import.push(0);
    XWing ParentAlone "PRX-1" TooLarge "longer than an import may be" |d| d.spoil.import = |import| import.resize(limits::IMPORT + 1, 0);
    XWing Both "PRX-2" UnsupportedVersion "version 2" |d| d.header.version = 2;
    XWing Both "PRX-2" UnsupportedVersion "another mode" |d| d.header.mode = WrapMode::Channel;
    XWing ParentAlone "PRX-4" UnknownRecipient "a provider key that is not there" |d| d.header.provider_key = RecipientId(fixed("nobody"));
    XWing ParentAlone "PRX-4" UnknownRecipient "a provider key of another suite" |d| d.header.provider_suite = Suite::RsaOaep;
    XWing Both "PRX-5" BadSignature "signed by somebody else" |d| d.signer = Some(Signer::ed25519("somebody else"));
    RsaOaep Both "PRX-5" BadSignature "signed by somebody else" |d| d.signer = Some(Signer::ed25519("somebody else"));
    XWing Both "PRX-5" BadSignature "signed under another context" |d| d.signed_under = cofferdam_wire::context::GRANT;
    XWing ParentAlone "PRX-6" UnwrapFailed "a bit of the provider layer's ciphertext" |d| d.spoil.provider_layer = |layer| layer.ciphertext[9] ^= 1;
    RsaOaep ParentAlone "PRX-6" UnwrapFailed "a bit of the provider layer's encapsulation" |d| d.spoil.provider_layer = |layer| layer.enc[200] ^= 1;
    RsaOaep ParentAlone "PRX-6" UnwrapFailed "a bit of the provider layer's commitment" |d| d.spoil.provider_layer = |layer| layer.commitment.0[0] ^= 1;
    XWing Both "PRX-7" UnwrapFailed "a vendor layer that the statement does not name" |d| d.spoil.statement = |statement| statement.vendor_layer = Digest(fixed("another layer"));
    // The header.
    XWing Enclave "IMP-3" WrongGroup "for another group" |d| d.header.group = GroupId(fixed("another group"));
    XWing Enclave "IMP-4" HeaderExpired "its time is over" |d| (d.header.created_s, d.header.not_after_s) = (NOW_S - 3600, NOW_S - 1);
    XWing Enclave "IMP-4" HeaderExpired "made too far in the future" |d| d.header.created_s = NOW_S + 301;
    XWing Enclave "IMP-4" HeaderExpired "valid for too long" |d| d.header.not_after_s += 1;
    XWing Enclave "IMP-5" OutOfRange "a partition without a name" |d| { d.header.partition.clear(); d.control.partition.clear(); };
    XWing Enclave "IMP-6" UsageRefused "a class that the kind does not have" |d| { d.header.class = UsageClass::Mac; d.control.policy.class = UsageClass::Mac; };
    // The vendor layer.
    XWing Enclave "IMP-8" Malformed "a vendor layer with a byte behind its end" |d| d.spoil.vendor_bytes = |layer| layer.push(0);
    XWing Enclave "IMP-9" UnsupportedSuite "a layer of another suite than the signed one" |d| d.header.vendor_suite = Suite::RsaOaep;
    XWing Enclave "IMP-10" UnwrapFailed "sealed to another key than the signed one" |d| d.spoil.vendor_layer = |layer| layer.recipient = RecipientId(fixed("nobody"));
    XWing Enclave "IMP-11" UnwrapFailed "a bit of the vendor layer's ciphertext" |d| d.spoil.vendor_layer = |layer| layer.ciphertext[9] ^= 1;
    RsaOaep Enclave "IMP-11" UnwrapFailed "a bit of the vendor layer's encapsulation" |d| d.spoil.vendor_layer = |layer| layer.enc[200] ^= 1;
    XWing Enclave "IMP-11" UnwrapFailed "sealed for another owner" |d| d.spoil.sealed_header = |header| header.owner = Signer::ed25519("somebody else").public();
    RsaOaep Enclave "IMP-11" UnwrapFailed "sealed for another partition" |d| d.spoil.sealed_header = |header| header.partition = "other".into();
    XWing Enclave "IMP-11" Malformed "padding without its mark" |d| d.spoil.padded = |padded| padded.iter_mut().rev().find(|byte| **byte != 0).into_iter().for_each(|byte| *byte = 0x81);
    // Control.
    XWing Enclave "IMP-12" BadSignature "another control than the signed one" |d| d.spoil.statement = |statement| statement.control = Digest(fixed("another control"));
    XWing Enclave "IMP-13" UnwrapFailed "a control of another partition" |d| d.control.partition = "other".into();
    RsaOaep Enclave "IMP-13" UnwrapFailed "a control of another owner" |d| d.control.owner = Signer::ed25519("somebody else").public();
    XWing Enclave "IMP-14" UsageRefused "a policy without algorithms" |d| d.control.policy.algorithms.clear();
    XWing Enclave "IMP-14" UsageRefused "an algorithm of another curve" |d| d.control.policy.algorithms = vec![Algorithm::EcdsaSha384];
    RsaOaep Enclave "IMP-14" UsageRefused "algorithms in descending order" |d| d.control.policy.algorithms.reverse();
    RsaOaep Enclave "IMP-14" UsageRefused "a policy of another kind" |d| d.control.policy.kind = KeyKind::Aes128;
    XWing Enclave "IMP-15" OutOfRange "an interval of 4 s" |d| d.change_r(|_, terms| terms.interval_s = 4);
    XWing Enclave "IMP-15" OutOfRange "a grace longer than the interval" |d| d.change_r(|_, terms| terms.grace_s = 301);
    RsaOaep Enclave "IMP-15" OutOfRange "a skew of 61 s" |d| d.change_r(|_, terms| terms.skew_s = 61);
    XWing Enclave "IMP-15" OutOfRange "a host with a path" |d| d.change_r(|services, _| services[0].host = "status.example/v1".into());
    RsaOaep Enclave "IMP-15" OutOfRange "two services with one token" |d| d.change_r(|services, _| services[1].token = services[0].token);
    RsaOaep Enclave "IMP-15" OutOfRange "a hard end that is reached" |d| d.control.hard_end_s = Some(NOW_S);
    XWing Enclave "IMP-15" OutOfRange "neither R nor a hard end" |d| { d.control.revocation = None; d.release_secrets.clear(); };
    XWing Enclave "IMP-15" OutOfRange "a label of 129 bytes" |d| d.control.label = "x".repeat(limits::LABEL + 1);
    RsaOaep Enclave "IMP-16" BadSignature "one release secret for two services" |d| d.release_secrets.truncate(32);
    RsaOaep Enclave "IMP-16" BadSignature "other release secrets than the signed ones" |d| d.spoil.statement = |statement| statement.revocation = Digest(fixed("another R"));
    // Material.
    XWing Enclave "IMP-17" BadSignature "another material than the signed one" |d| d.spoil.statement = |statement| statement.material = Digest(fixed("another material"));
    XWing Enclave "IMP-17" Malformed "a salt of 31 bytes" |d| d.material_salt.truncate(31);
    XWing Enclave "IMP-18" Malformed "a key of another kind" |d| d.cose_key = symmetric(&fixed("an AES key"));
    XWing Enclave "IMP-18" WeakKey "a point that is not on the curve" |d| d.cose_key = p256_private(&fixed("x"), &fixed("y"), &fixed("d"));
    RsaOaep Enclave "IMP-18" WeakKey "a key of zeros" |d| d.cose_key = symmetric(&[0; 32]);
    RsaOaep Enclave "IMP-18" Malformed "a key that is too short for its kind" |d| d.cose_key = symmetric(&fixed("an AES key")[..16]);
    RsaOaep Enclave "IMP-18" Malformed "labels in another order" |d| d.cose_key = cose_map(&[(-1, Part::Bytes(&fixed("an AES key"))), (1, Part::Number(4))]);
};
