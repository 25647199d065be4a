//! `cofferdam-sim inspect`: boots an image whose security module signs nothing, and shows that everybody refuses it.
//!
//! The production image under QEMU does all it does in a Nitro enclave: it starts, measures what its build printed, makes
//! its group and its Binding, and answers over vsock through the real parent. Only Amazon's signature is missing, and with
//! it goes everything: the customer's SDK and the revocation service each have to refuse, and for the missing signature, so
//! under Amazon's root as under any other. What is not refused, or is refused for another reason, ends the command with
//! exit code 1. That an enclave refuses to recover such a group is a test in `e2e`, over what was said here once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cofferdam::transport::{Client, Parent};
use cofferdam::trust::Trust;
use cofferdam::verify::{FreshNonce, Genesis, Instance, Moment, ProofError};
use cofferdam_attestation::{EvidenceError, Root, aws_nitro_root};
use cofferdam_revocation_service::appraisal::{Accepted, AppraisalError, Appraiser, Shown};
use cofferdam_wire::binding::{self, Binding, Measurement};
use cofferdam_wire::transcript::{EnclaveProof, Proof};
use cofferdam_wire::{cbor, limits};

use crate::host::EnclaveHost;
use crate::house::House;
use crate::layout::Layout;
use crate::nsm;
use crate::ports::Ports;
use crate::setup::now_s;

/// For the console to reach its file.
const CONSOLE: Duration = Duration::from_secs(10);

/// Boots the image, asks it, has everybody judge what it says. `keep` gets what it said.
///
/// # Errors
/// What did not start, or what was not refused.
pub async fn inspect(host: EnclaveHost, keep: Option<&Path>) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new()
        .prefix("cofferdam-inspect-")
        .tempdir()?;
    let layout = Layout::create(directory.path())?;
    let begun = Instant::now();
    let house = House::start(layout, Ports::default(), host, None).await?;
    println!(
        "the image is up after {:.1} s: it has made its keys, is in a group of its own and answers over vsock",
        begun.elapsed().as_secs_f64()
    );
    let judged = judge(&house, keep).await;
    let stopped = house.stop().await;
    judged.and(stopped)
}

async fn judge(house: &House, keep: Option<&Path>) -> anyhow::Result<()> {
    let image = house.image();
    on_the_console(&house.layout().console(), image).await?;
    println!("its console says the PCR0, PCR1 and PCR2 that its build printed");

    let nonce = FreshNonce::draw();
    let shown = shown(house, &nonce).await?;
    if let Some(file) = keep {
        std::fs::write(file, cbor::encode(&shown))?;
    }
    let wanted = [
        ("the nonce", &nonce.as_nonce().0[..]),
        (
            "the hash of its Binding",
            &binding::user_data(&shown.binding),
        ),
        ("PCR0", &image.pcr0),
        ("PCR1", &image.pcr1),
        ("PCR2", &image.pcr2),
    ];
    for (what, bytes) in wanted {
        ensure!(
            says(&shown.evidence, bytes),
            "its document does not say {what}"
        );
    }
    println!(
        "its document carries our nonce, the hash of its Binding, and the same registers; nobody signed it"
    );

    let now_s = now_s()?;
    let simulators = Root::from_der(nsm::ROOT_DER)?;
    for (name, root) in [
        ("Amazon's", aws_nitro_root()),
        ("the simulator's", simulators),
    ] {
        let moment = Moment::Fresh {
            nonce: nonce.as_nonce(),
            now_s,
        };
        let proof = Instance::verify(&root, &shown.binding, &shown.evidence, moment);
        unsigned_to_the_sdk(proof).with_context(|| format!("the SDK under {name} root"))?;
        unsigned_to_the_sdk(Genesis::verify(&root, &shown.genesis))
            .with_context(|| format!("the SDK and the genesis under {name} root"))?;
        unsigned_to_the_service(root, &shown, image, now_s)
            .with_context(|| format!("the revocation service under {name} root"))?;
        println!(
            "the SDK and the revocation service refuse it under {name} root: {}",
            EvidenceError::Algorithm
        );
    }
    Ok(())
}

/// What the enclave shows through the real parent.
async fn shown(house: &House, nonce: &FreshNonce) -> anyhow::Result<EnclaveProof> {
    let ready = house.ready();
    let trust = Trust::read(&ready.trust_file)?;
    let parent = Client::new(&ready.parent_url, trust.provider_ca())?;
    let proof = parent.evidence(nonce.as_nonce()).await?;
    let proof: Proof = cbor::decode(&proof, limits::PROOF)?;
    Ok(proof.enclave)
}

/// Waits until the console has told the registers, and compares them.
async fn on_the_console(console: &Path, image: &Measurement) -> anyhow::Result<()> {
    let begun = Instant::now();
    let registers = [&image.pcr0, &image.pcr1, &image.pcr2];
    for (index, register) in registers.into_iter().enumerate() {
        let name = format!("PCR{index} ");
        let said = loop {
            let text = String::from_utf8_lossy(&std::fs::read(console)?).into_owned();
            if let Some((_, rest)) = text.split_once(&name)
                && let Some((said, _)) = rest.split_once(['\r', '\n'])
            {
                break said.to_owned();
            }
            if begun.elapsed() > CONSOLE {
                bail!("the console does not say {name}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let built = hex::encode(register);
        ensure!(
            said == built,
            "{name}is {said}, and the build printed {built}"
        );
    }
    Ok(())
}

/// The document is not trusted to be well formed, and nothing is taken from it: it holds these bytes or not.
fn says(document: &[u8], bytes: &[u8]) -> bool {
    document.windows(bytes.len()).any(|window| window == bytes)
}

fn unsigned_to_the_sdk<T>(proof: Result<T, ProofError>) -> anyhow::Result<()> {
    match proof {
        Err(ProofError::Evidence(EvidenceError::Algorithm))
        | Err(ProofError::GenesisEvidence(EvidenceError::Algorithm)) => Ok(()),
        Err(other) => bail!("it was refused for something else: {other}"),
        Ok(_) => bail!("it was accepted"),
    }
}

fn unsigned_to_the_service(
    root: Root,
    shown: &EnclaveProof,
    image: &Measurement,
    now_s: u64,
) -> anyhow::Result<()> {
    let decoded: Binding = cbor::decode(&shown.binding, limits::BINDING)?;
    let accepted = Accepted {
        measurement: *image,
        until_s: None,
    };
    let appraised = Appraiser::new(root, vec![accepted]).appraise(
        &Shown {
            group: decoded.group,
            binding_bytes: &shown.binding,
            binding: &decoded,
            evidence: &shown.evidence,
            genesis: &shown.genesis,
        },
        now_s * 1000,
    );
    match appraised {
        Err(AppraisalError::Evidence(EvidenceError::Algorithm)) => Ok(()),
        Err(other) => bail!("it was refused for something else: {other}"),
        Ok(_) => bail!("it was accepted"),
    }
}
