//! Every maximum, with its reason. Decoders check these before they allocate (T-27).

/// One frame of the link or the stream, header included: a NIC-sized unit that one slow peer cannot grow.
pub const FRAME: usize = 64 * 1024;
/// Body of a frame.
pub const FRAME_BODY: usize = FRAME - crate::frame::HEADER;
/// Most bytes given to one write call: a larger one stalls virtio-vsock transports.
pub const WRITE_PIECE: usize = 32 * 1024;
/// Data in one operation: leaves room for ticket, seal and frame around it.
pub const OPERATION_DATA: usize = 48 * 1024;
/// Additional data of one operation.
pub const ADDITIONAL_DATA: usize = 1024;
/// A sealed request or answer.
pub const SEALED_REQUEST: usize = 62 * 1024;
/// A ticket: what four grants with their keys need.
pub const TICKET: usize = 8 * 1024;
/// Grants in one session.
pub const GRANTS_PER_SESSION: usize = 4;
/// One encoded grant.
pub const GRANT: usize = 1536;
/// Keys named in one grant.
pub const KEYS_PER_GRANT: usize = 32;
/// A session opening.
pub const SESSION_OPEN: usize = 12 * 1024;
/// An import header.
pub const IMPORT_HEADER: usize = 1024;
/// A signed statement.
pub const STATEMENT: usize = 2 * 1024;
/// A whole import as the parent passes it on.
pub const IMPORT: usize = 24 * 1024;
/// One layer.
pub const LAYER: usize = 20 * 1024;
/// The padded payload of a vendor layer: RSA-4096 material is 2.4 KB, control at most 2 KB.
pub const PAYLOAD: usize = 12 * 1024;
/// Payloads are padded to multiples of this, so the size tells little about kind and policy.
pub const PAYLOAD_STEP: usize = 512;
/// The control part.
pub const CONTROL: usize = 4 * 1024;
/// The material part.
pub const MATERIAL: usize = 8 * 1024;
/// A stored record.
pub const RECORD: usize = 20 * 1024;
/// Partition name in bytes.
pub const PARTITION_NAME: usize = 64;
/// Label in bytes.
pub const LABEL: usize = 128;
/// Host of a revocation service, `host[:port]`, in bytes.
pub const HOST: usize = 128;
/// Revocation services of one key.
pub const SERVICES: usize = 3;
/// Algorithms named in a usage policy.
pub const ALGORITHMS: usize = 16;
/// An attestation document.
pub const EVIDENCE: usize = 16 * 1024;
/// A Binding: two X-Wing keys, two TEE keys a epoch, measurements.
pub const BINDING: usize = 12 * 1024;
/// Measurements admitted to a group.
pub const MEASUREMENTS: usize = 16;
/// A genesis body.
pub const GENESIS_BODY: usize = 20 * 1024;
/// A genesis record: body and Evidence.
pub const GENESIS_RECORD: usize = 38 * 1024;
/// Officers of a group.
pub const OFFICERS: usize = 10;
/// A vendor statement.
pub const VENDOR_STATEMENT: usize = 8 * 1024;
/// A validator's answer: some 120 bytes and a signature.
pub const VALIDATOR_ANSWER: usize = 512;
/// The bundle of `GET /v1/evidence`.
pub const PROOF: usize = 128 * 1024;
/// An import receipt.
pub const RECEIPT: usize = 4 * 1024;
/// A sealed status query: below a frame; padded in steps of 8 KiB.
pub const STATUS_QUERY: usize = 60 * 1024;
/// A status query is padded to multiples of this before sealing.
pub const STATUS_QUERY_STEP: usize = 8 * 1024;
/// Largest padded plaintext of a status query.
pub const STATUS_QUERY_PLAIN: usize = 56 * 1024;
/// Items in one status query: what fits beside Binding, Evidence and genesis.
pub const STATUS_ITEMS: usize = 512;
/// A sealed status answer.
pub const STATUS_ANSWER: usize = 60 * 1024;
/// A certificate of a status key.
pub const STATUS_CERTIFICATE: usize = 2 * 1024;
/// An HPKE encapsulation of X-Wing.
pub const XWING_ENC: usize = 1120;
/// A public key of X-Wing.
pub const XWING_PUBLIC: usize = 1216;
/// Random bytes in one request.
pub const RANDOM: usize = 4096;

/// Longest time from `created` to `not_after` of an import header, seconds.
pub const HEADER_LIFETIME_S: u64 = 24 * 3600;
/// Tolerated difference between the customer's clock and the attested clock for `created`, seconds.
pub const CREATED_SKEW_S: u64 = 300;
/// Shortest interval of a lease, seconds.
pub const INTERVAL_MIN_S: u32 = 5;
/// Longest interval of a lease, seconds.
pub const INTERVAL_MAX_S: u32 = 7 * 24 * 3600;
/// Interval when the customer names none, seconds.
pub const INTERVAL_DEFAULT_S: u32 = 300;
/// Longest grace, seconds; it is also never longer than the interval.
pub const GRACE_MAX_S: u32 = 3600;
/// Largest skew of the attested clock that R may allow, seconds.
pub const SKEW_MAX_S: u32 = 60;
/// Longest life of a key without R, seconds.
pub const HARD_END_MAX_S: u64 = 397 * 24 * 3600;
/// Longest life of a grant on a key without R, seconds.
pub const GRANT_WITHOUT_R_MAX_S: u64 = 24 * 3600;
/// Longest time from now to a request's deadline, milliseconds.
pub const DEADLINE_MAX_MS: u64 = 120_000;
/// Longest life of a ticket, seconds.
pub const TICKET_LIFETIME_S: u64 = 24 * 3600;
/// Longest life of a certified status key, seconds.
pub const STATUS_CERTIFICATE_LIFETIME_S: u64 = 7 * 24 * 3600;
/// Longest time a registration may be pending, seconds.
pub const PENDING_S: u64 = 48 * 3600;
/// Oldest Evidence in a status query or beside a receipt, seconds.
pub const EVIDENCE_MAX_AGE_S: u64 = 3600;
/// Longest validity of a vendor statement, seconds.
pub const VENDOR_STATEMENT_LIFETIME_S: u64 = 90 * 24 * 3600;
/// Oldest vendor statement that an enclave accepts, and an SDK by default, seconds.
pub const VENDOR_STATEMENT_MAX_AGE_S: u64 = 7 * 24 * 3600;
/// Longest time that a validator's answer may be valid, seconds: a retired key is not called current for longer.
pub const VALIDATOR_ANSWER_LIFETIME_S: u64 = 3600;
/// How long a TEE key is offered, seconds; erased one day later.
pub const TEE_KEY_OFFERED_S: u64 = 30 * 24 * 3600;
/// How long session and ticket keys are offered, seconds.
pub const SESSION_KEY_OFFERED_S: u64 = 24 * 3600;
/// Operations released between two readings of the attested clock.
pub const OPERATIONS_PER_READING: u32 = 64;
