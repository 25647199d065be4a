//! What a provider could see: its files, the link to the enclave, the bodies of its HTTP; and the search through them.

use anyhow::{Context, bail, ensure};
use cofferdam::crypto::secret::Secret32;
use cofferdam::transport::Parent as _;
use cofferdam_wire::id::{Digest, RecipientId};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::Layer;
use cofferdam_wire::{Code, cbor, limits};
use serde_json::{Value, json};

use super::customer::{Customer, Imported};
use super::narrator::{Narrator, counted};
use super::provider::{Disk, read_all};
use super::search::{Form, Needles, WINDOW};
use super::tape::Tape;
use crate::layout::Layout;

/// Everything that the provider has, as it is now.
struct Exposure {
    files: Vec<Vec<u8>>,
    link: Vec<Vec<u8>>,
    http: Vec<Vec<u8>>,
}

/// P1: the search finds what is planted in each place and in each form, and then no key bytes anywhere.
pub(crate) async fn search(
    layout: &Layout,
    tape: &Tape,
    customer: &Customer,
    keys: [&Imported; 2],
    narrator: &mut Narrator,
) -> anyhow::Result<()> {
    let canaries = Form::ALL.map(|form| (form, Secret32::random()));
    let mut planted = Needles::default();
    let mut bytes = Vec::new();
    for (form, canary) in &canaries {
        planted.add(&format!("{form:?}"), canary.expose());
        bytes.extend_from_slice(&form.write(canary.expose())[0]);
    }
    let disk = Disk::open(&layout.parent_state()).await?;
    disk.plant(&bytes).await?;
    disk.close().await;
    send(customer, bytes).await?;
    let exposure = Exposure::now(layout, tape)?;
    for (place, content) in exposure.places() {
        for (form, _) in &canaries {
            let name = format!("{form:?}");
            let mut found = content.iter().flat_map(|bytes| planted.find(bytes));
            ensure!(
                found.any(|find| find.form == *form && find.name == name),
                "what was planted in {place} as {name} was not found, so the search proves nothing"
            );
        }
    }
    let text = "random bytes were planted in the provider's files and sent through the parent, plain, reversed, in hex and in \
                base64, and the search finds each of them everywhere: so it works";
    narrator.step(
        "canary",
        text,
        json!({"forms": canaries.len(), "places": exposure.places().len()}),
    );

    let searched = exposure.searched(keys)?;
    let text = format!("no {WINDOW} bytes in a row of either private key are in {searched}");
    narrator.step("search", &text, searched.details());
    Ok(())
}

/// P1 once more, over all that has happened.
pub(crate) fn search_again(
    layout: &Layout,
    tape: &Tape,
    keys: [&Imported; 2],
    narrator: &mut Narrator,
) -> anyhow::Result<()> {
    let searched = Exposure::now(layout, tape)?.searched(keys)?;
    let text = format!("after all of this there are still none, in {searched}");
    narrator.step("search again", &text, searched.details());
    Ok(())
}

/// Sends bytes through the parent to the enclave: as the ciphertext of a challenge, which nobody can open.
async fn send(customer: &Customer, bytes: Vec<u8>) -> anyhow::Result<()> {
    let challenge = Layer {
        suite: Suite::XWing,
        recipient: RecipientId([0xca; 32]),
        enc: vec![0; limits::XWING_ENC],
        commitment: Digest([0; 32]),
        ciphertext: bytes,
    };
    match customer.parent.challenge(cbor::encode(&challenge)).await {
        Err(error) if error.code() == Some(Code::UnknownRecipient) => Ok(()),
        Err(error) => Err(error).context("the canary"),
        Ok(_) => bail!("a challenge to a key that nobody has was answered"),
    }
}

impl Exposure {
    fn now(layout: &Layout, tape: &Tape) -> anyhow::Result<Self> {
        let mut files = read_all(&layout.parent_state())?;
        files.extend(read_all(&layout.logs())?);
        Ok(Self {
            files,
            link: tape.link(),
            http: tape.http(),
        })
    }

    fn places(&self) -> [(&'static str, &[Vec<u8>]); 3] {
        [
            ("the files", &self.files),
            ("the link", &self.link),
            ("HTTP", &self.http),
        ]
    }

    fn searched(&self, keys: [&Imported; 2]) -> anyhow::Result<Searched> {
        let mut needles = Needles::default();
        for key in keys {
            for secret in key.fresh.secrets()? {
                needles.add(key.fresh.name, &secret);
            }
        }
        for (place, content) in self.places() {
            let found: Vec<_> = content
                .iter()
                .flat_map(|bytes| needles.find(bytes))
                .collect();
            ensure!(
                found.is_empty(),
                "there are key bytes in {place}: {found:?}"
            );
        }
        let size = |content: &[Vec<u8>]| content.iter().map(Vec::len).sum::<usize>();
        Ok(Searched {
            windows: needles.len(),
            files: size(&self.files),
            crossed: size(&self.link) + size(&self.http),
        })
    }
}

/// How much was searched.
struct Searched {
    windows: usize,
    files: usize,
    crossed: usize,
}

impl Searched {
    fn details(&self) -> Value {
        json!({"windows": self.windows, "store_bytes": self.files, "crossed_bytes": self.crossed})
    }
}

impl std::fmt::Display for Searched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (files, crossed) = (counted(self.files), counted(self.crossed));
        write!(
            f,
            "{files} bytes of the provider's files or in {crossed} bytes that crossed the parent"
        )
    }
}
