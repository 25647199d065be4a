#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const VALID: &str = r#"
    listen = "127.0.0.1:0"
    operator_listen = "127.0.0.1:0"
    state_dir = "/var/lib/cofferdam"
    enclave = "vsock:16:5000"
    vendor_statement = "/etc/cofferdam/vendor-statement.cbor"
    admit = "all"
"#;

fn parse(text: &str) -> Result<(), String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())
}

#[test]
fn the_smallest_configuration_is_accepted_and_written_out_again() {
    let config: Config = toml::from_str(VALID).unwrap();
    config.check().unwrap();
    parse(&toml::to_string(&config).unwrap()).unwrap();
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for extra in [
        "surprise = 1",
        "[limits]\nsurprise = 1",
        "[courier]\nallow_privat = true",
        "[link]\nx = 1",
    ] {
        assert!(parse(&format!("{VALID}\n{extra}")).is_err(), "{extra}");
    }
}

#[test]
fn the_operator_listener_stays_on_loopback() {
    assert!(
        parse(&VALID.replace(
            "operator_listen = \"127.0.0.1:0\"",
            "operator_listen = \"0.0.0.0:0\""
        ))
        .is_err()
    );
}

#[test]
fn admission_is_all_or_a_list_of_thumbprints() {
    let with = |value: &str| parse(&VALID.replace("\"all\"", value));
    let thumbprint = "ab".repeat(32);
    assert!(with(&format!("[\"{thumbprint}\"]")).is_ok());
    assert!(with("[]").is_ok());
    assert!(with("\"everybody\"").is_err());
    assert!(with("[\"ab\"]").is_err());
    let list = Admission::Owners(vec![Thumbprint([1; 32])]);
    assert!(list.admits(&Thumbprint([1; 32])) && !list.admits(&Thumbprint([2; 32])));
}

#[test]
fn enclave_addresses_are_unix_vsock_or_vsock_behind_unix() {
    let with = |value: &str| parse(&VALID.replace("vsock:16:5000", value));
    assert!(with("unix:/run/enclave.sock").is_ok());
    assert!(with("vsock-unix:/run/vm.vsock:5000").is_ok());
    for bad in [
        "tcp:1.2.3.4:5",
        "vsock:16",
        "vsock:x:1",
        "unix:",
        "vsock:1:2:3",
        "vsock-unix:/run/vm.vsock",
        "vsock-unix:/run/vm.vsock:",
        "vsock-unix:/run/vm.vsock:x",
        "vsock-unix:/run/vm.vsock:4294967296",
        "vsock-unix::5000",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_configuration_in_the_documentation_is_accepted_and_its_defaults_are_right() {
    let page = include_str!("../../../docs/operating/parent.md");
    let text = page
        .split("```toml")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let documented: Config = toml::from_str(text).unwrap();
    documented.check().unwrap();
    let value =
        |config: &Config, table: &str| toml::Value::try_from(config).unwrap()[table].clone();
    let smallest: Config = toml::from_str(VALID).unwrap();
    for table in ["link", "courier", "limits", "tls_names", "log_json"] {
        assert_eq!(
            value(&documented, table),
            value(&smallest, table),
            "{table}"
        );
    }
}
