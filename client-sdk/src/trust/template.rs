//! A trust file to begin with: explicit, with a sentence at each key, and with what is optional as comments.

use std::fmt::Write as _;

use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::GroupId;

use super::file::{AWS_NITRO, TrustError, TrustFile};

/// What a trust file for enclaves on AWS Nitro needs. The root is Amazon's; there is no way to name another one here.
pub struct Template<'a> {
    /// For people, and what the group is remembered under.
    pub name: &'a str,
    /// The vendor's public key.
    pub vendor: &'a PublicKey,
    /// The one group to accept, if it is known already.
    pub group: Option<GroupId>,
    /// The one provider to accept, by its name in the vendor's table.
    pub provider: Option<&'a str>,
    /// A TLS root for the parent, one PEM certificate.
    pub provider_ca: Option<&'a str>,
}

const OPTIONAL: &str = "\
# How old the vendor's statement may be, in seconds; 7 days without this line.
# vendor_statement_max_age_s = 604800

# Where the vendor publishes its newest statement. It is fetched beside the one that the provider staples, and the one with
# the higher sequence counts. With vendor_url_required, nothing is trusted while it cannot be fetched.
# vendor_url = \"https://vendor.example/statement.cbor\"
# vendor_url_required = true

# The only cipher suites that may be used: 1 is post-quantum (X-Wing), 2 is RSA.
# suites = [1]

# Your own list of images. With it, an image must be on it and in the vendor's statement. Say the same in the list of
# your revocation service: it is what stands when vendor and provider work together.
# [[measurements]]
# pcr0 = \"...\"
# pcr1 = \"...\"
# pcr2 = \"...\"

# Who else is asked whether the provider's keys are in use: the provider's own validator, or anybody's. Each one must say so.
# [[validator]]
# url = \"https://parent.example\"
# key = \"...\"
";

impl Template<'_> {
    /// The file's text. It was understood before it is given out.
    pub fn to_toml(&self) -> Result<String, TrustError> {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = format!(
            "# Whom you believe. coffer refuses a file with a key that it does not know.\n\
             version = 1\n\n\
             # For you, and what the provider's group is remembered under.\n\
             name = {}\n\n\
             # Who vouches for enclaves: the root certificate that Amazon publishes, built into coffer.\n\
             attestation_root = {}\n\n\
             # Who says which images are good and which provider keys are whose. Compare it with the vendor by another way.\n\
             vendor_key = {}\n\n",
            quoted(self.name),
            quoted(AWS_NITRO),
            quoted(&hex::encode(self.vendor.to_cose())),
        );
        let (comment, group) = match self.group {
            Some(group) => ("", group.to_string()),
            None => ("# ", "...".to_owned()),
        };
        let _ = write!(
            text,
            "# The one group of enclaves that you accept. Without it, the first one seen is remembered.\n{comment}group = {}\n\n",
            quoted(&group)
        );
        let (comment, provider) = self.provider.map_or(("# ", "..."), |name| ("", name));
        let _ = write!(
            text,
            "# The one provider that you accept, as the vendor's statement names it; coffer trust verify shows the name.\n{comment}provider = {}\n\n",
            quoted(provider)
        );
        text.push_str(
            "# The certificate authority of the provider's parent, if it is not a public one.\n",
        );
        match self.provider_ca {
            Some(pem) => {
                let _ = write!(text, "provider_ca = {}\n\n", quoted(pem));
            }
            None => text.push_str("# provider_ca = \"\"\"-----BEGIN CERTIFICATE-----...\"\"\"\n\n"),
        }
        text.push_str(OPTIONAL);
        TrustFile::from_toml(&text)?.check()?;
        Ok(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const VENDOR: PublicKey = PublicKey::Ed25519([1; 32]);

    fn template(name: &str) -> Template<'_> {
        Template {
            name,
            vendor: &VENDOR,
            group: None,
            provider: None,
            provider_ca: None,
        }
    }

    #[test]
    fn t81_a_file_to_begin_with_pins_amazons_root_and_no_other() {
        let text = template("acme").to_toml().unwrap();
        let file = TrustFile::from_toml(&text).unwrap();
        assert_eq!(file.attestation_root, AWS_NITRO);
        let trust = file.check().unwrap();
        assert_eq!(
            trust.root().sha256(),
            cofferdam_attestation::AWS_NITRO_ROOT_SHA256
        );
        assert_eq!(trust.vendor(), &VENDOR);
        assert_eq!((trust.group(), trust.provider()), (None, None));
        assert_eq!(trust.provider_ca(), None);
    }

    #[test]
    fn what_is_given_is_in_it_and_reads_back() {
        let name = "a \"quoted\" = name";
        let text = Template {
            group: Some(GroupId([7; 32])),
            provider: Some("Example \"Cloud\""),
            provider_ca: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ..template(name)
        };
        let trust = TrustFile::from_toml(&text.to_toml().unwrap())
            .unwrap()
            .check()
            .unwrap();
        assert_eq!(trust.name(), name);
        assert_eq!(trust.group(), Some(GroupId([7; 32])));
        assert_eq!(trust.provider(), Some("Example \"Cloud\""));
        assert!(trust.provider_ca().unwrap().contains("\nAAAA\n"));
    }

    #[test]
    fn a_name_that_no_trust_file_takes_is_refused() {
        assert!(template("").to_toml().is_err());
        assert!(template(&"x".repeat(65)).to_toml().is_err());
    }

    #[test]
    fn every_optional_key_of_the_text_is_one_that_the_file_knows() {
        let text = template("acme").to_toml().unwrap();
        let file =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/trust/file.rs"))
                .unwrap();
        let keys = text.lines().filter_map(|line| {
            let key = line.strip_prefix("# ")?.split_once(" = ")?.0;
            (!key.contains(' ')).then_some(key)
        });
        let keys: Vec<_> = keys.collect();
        assert!(keys.len() >= 10, "{keys:?}");
        for key in keys {
            assert!(file.contains(&format!("pub {key}: ")), "{key}");
        }
    }
}
