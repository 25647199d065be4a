//! vectors/import.json at the provider's door: what it lets in, what it takes off, and what it refuses with which code.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::admission::Admitted;
use crate::config::Admission;
use crate::provider_keys::{FileKeys, ProviderKeys};
use cofferdam_wire::Code;
use cofferdam_wire::id::Thumbprint;
use cofferdam_wire::import::ImportRequest;
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

/// The provider's keys of the file, in a directory as an operator has them.
fn keys(file: &Value) -> FileKeys {
    let directory = tempfile::tempdir().unwrap();
    let provider = |suite: &str| &file["keys"][suite]["provider"];
    let seed = text(provider("suite_1"), "seed");
    std::fs::write(directory.path().join("1.seed"), seed).unwrap();
    let pem = text(provider("suite_2"), "pkcs8_pem");
    std::fs::write(directory.path().join("2.pem"), pem).unwrap();
    let keys = FileKeys::open(directory.path()).unwrap();
    for (key, suite) in keys.public().iter().zip(["suite_1", "suite_2"]) {
        assert_eq!(key.public, bytes(provider(suite), "public"));
        assert_eq!(key.id().0.to_vec(), bytes(provider(suite), "recipient_id"));
    }
    keys
}

fn peel(keys: &FileKeys, import: &[u8], admission: &Admission) -> Result<ImportRequest, Code> {
    Admitted::check(import, admission, keys)?.peel(keys)
}

#[test]
fn prx_1_to_7_whole_imports_are_peeled_and_each_defect_has_its_code() {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/import.json")).unwrap();
    let keys = keys(&file);
    let valid = file["valid"].as_array().unwrap();
    assert_eq!(valid.len(), 2);
    for case in valid {
        let import = bytes(case, "import");
        let owner = bytes(&case["owner"], "thumbprint");
        let owners = Admission::Owners(vec![Thumbprint::from_slice(&owner).unwrap()]);
        let peeled = peel(&keys, &import, &owners).unwrap();
        assert_eq!(peeled.statement, bytes(case, "signed_statement"));
        assert_eq!(peeled.layer, bytes(&case["vendor_layer"], "layer"));
        let stranger = Admission::Owners(vec![Thumbprint([0; 32])]);
        assert_eq!(
            peel(&keys, &import, &stranger).unwrap_err(),
            Code::Unauthorized
        );
    }
    let mut refused = 0;
    for case in file["invalid"].as_array().unwrap() {
        let by_parent = case["refused_by"]
            .as_array()
            .unwrap()
            .contains(&"parent".into());
        let code = peel(&keys, &bytes(case, "import"), &Admission::All)
            .err()
            .map(|code| u64::from(code.number()));
        let written = case["code"].as_u64().filter(|_| by_parent);
        assert_eq!(code, written, "{}", text(case, "defect"));
        refused += usize::from(by_parent);
    }
    assert!(refused >= 12, "{refused} defects");
}
