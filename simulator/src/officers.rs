//! The provider's officers: three with file keys, two of whom act.
//!
//! On a real machine they are people with cards who would look before they act; here a task looks for them. It trusts the
//! trust file, so a restarted enclave gets a share only after its Evidence has been verified by the SDK's own Verifier,
//! and the share leaves sealed to the setup key which that Evidence vouches for (T-58, T-63).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam::known::Known;
use cofferdam::officer::Officer;
use cofferdam::session::prove;
use cofferdam::transport::Client;
use cofferdam::trust::Trust;
use cofferdam::verify::Verifier;
use cofferdam_wire::group::{GenesisRecord, GenesisRequest, SealedShare};
use cofferdam_wire::id::GroupId;
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::{cbor, limits};
use tokio::sync::watch;

use crate::layout::{make_directory, write_private};
use crate::operator::Operator;

/// N.
pub(crate) const OFFICERS: u8 = 3;
/// K.
pub(crate) const NEEDED: u8 = 2;
/// How often they look at the enclave.
const LOOK: Duration = Duration::from_millis(150);

/// The officers with their shares.
pub(crate) struct Officers {
    members: Vec<Member>,
    genesis_body: Vec<u8>,
}

struct Member {
    officer: Officer,
    share: SealedShare,
}

/// What the officers last did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recoveries {
    /// How often they brought an enclave back.
    pub(crate) count: u32,
    /// How long the last one took, from the moment it was seen to wait.
    pub(crate) took: Duration,
    /// Why they hold their shares back, while they do.
    pub(crate) refusal: Option<String>,
}

/// The group's id and genesis record, as the officers' ceremony left it.
pub(crate) fn group_of(directory: &Path) -> anyhow::Result<Option<GroupId>> {
    match fs::read(directory.join("genesis-body.cbor")) {
        Ok(body) => Ok(Some(GroupId::of(&body))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("the officers' genesis body"),
    }
}

/// Where one officer's files are, from 1.
pub(crate) fn officer_files(directory: &Path, officer: u8) -> (PathBuf, PathBuf) {
    let own = directory.join((officer + 1).to_string());
    (own.join("officer.toml"), own.join("share.cbor"))
}

impl Officers {
    /// The ceremony: each officer makes its keys, the fresh enclave makes the group, each officer checks its share.
    pub(crate) async fn found(directory: &Path, operator: &Operator) -> anyhow::Result<Self> {
        let officers: Vec<_> = (0..OFFICERS).map(|_| Officer::generate()).collect();
        let request = GenesisRequest {
            officers: officers.iter().map(Officer::public).collect(),
            threshold: NEEDED,
            escrow: EscrowMode::Officers,
        };
        let genesis = operator
            .genesis(&request)
            .await
            .context("the enclave did not make its group")?;
        let record: GenesisRecord = cbor::decode(&genesis.record, limits::GENESIS_RECORD)?;
        ensure!(
            genesis.shares.len() == officers.len(),
            "genesis gave {} shares",
            genesis.shares.len()
        );
        for (number, (officer, share)) in (0..).zip(officers.iter().zip(&genesis.shares)) {
            officer.accept_share(&record.body, share)?;
            let (keys, sealed) = officer_files(directory, number);
            make_directory(keys.parent().context("a file lies in a directory")?)?;
            write_private(&keys, officer.to_toml().as_bytes())?;
            write_private(&sealed, &cbor::encode(share))?;
        }
        // The last file: while it is not there, there was no ceremony.
        write_private(&directory.join("genesis-body.cbor"), &record.body)?;
        Self::read(directory)
    }

    /// The officers of an earlier ceremony.
    pub(crate) fn read(directory: &Path) -> anyhow::Result<Self> {
        let genesis_body =
            fs::read(directory.join("genesis-body.cbor")).context("the officers' genesis body")?;
        let read = |number: u8| -> anyhow::Result<Member> {
            let (keys, sealed) = officer_files(directory, number);
            let text = zeroize::Zeroizing::new(fs::read_to_string(keys)?);
            let officer = Officer::from_toml(&text)?;
            Ok(Member {
                officer,
                share: cbor::decode(&fs::read(sealed)?, 4096)?,
            })
        };
        let members = (0..OFFICERS)
            .map(read)
            .collect::<anyhow::Result<_>>()
            .context("the officers' files")?;
        Ok(Self {
            members,
            genesis_body,
        })
    }

    /// Looks after the enclave for ever: one that waits for its group key gets K shares if its proof passes.
    pub(crate) async fn watch(
        self,
        operator: Operator,
        parent: Client,
        trust: Trust,
        tell: watch::Sender<Recoveries>,
    ) {
        let verifier = Verifier::new(trust, Known::in_memory());
        let mut waiting_since: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            match operator.health().await {
                // No enclave, or one that is still starting.
                Err(_) => continue,
                Ok(health) if health.ready => {
                    waiting_since = None;
                    continue;
                }
                Ok(_) => (),
            }
            let since = *waiting_since.get_or_insert_with(Instant::now);
            match self.recover(&operator, &parent, &verifier).await {
                Ok(()) => tell.send_modify(|told| {
                    *told = Recoveries {
                        count: told.count + 1,
                        took: since.elapsed(),
                        refusal: None,
                    };
                }),
                Err(error) => tell.send_modify(|told| told.refusal = Some(format!("{error:#}"))),
            }
        }
    }

    async fn recover(
        &self,
        operator: &Operator,
        parent: &Client,
        verifier: &Verifier,
    ) -> anyhow::Result<()> {
        let instance = prove(parent, verifier).await?;
        for member in self.members.iter().take(usize::from(NEEDED)) {
            let share = member
                .officer
                .accept_share(&self.genesis_body, &member.share)?;
            operator.share(&share.re_encrypt(&instance)?).await?;
        }
        Ok(())
    }
}
