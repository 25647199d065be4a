//! Why a document was refused, for people: what it means, and what to do.

use cofferdam_attestation::EvidenceError;

/// What a refusal means, and what to do about it.
pub(super) fn of(error: &EvidenceError) -> (&'static str, &'static str) {
    use EvidenceError::*;
    match error {
        Size { .. } | Envelope | TrailingBytes | Payload => (
            "The file is not one whole attestation document as the NSM writes it.",
            "Give the raw document: not in base64 or hexadecimal, not cut, and with nothing around it.",
        ),
        Algorithm | UnprotectedHeader => (
            "Nitro signs with ES384 and puts nothing else into the headers; something else made this document, or changed it.",
            "Ask for the document as the NSM returned it. The device that QEMU has instead of an NSM signs nothing, so its documents are never Evidence.",
        ),
        DuplicateKey
        | UnknownKey
        | MissingField(_)
        | ModuleId
        | Digest
        | Timestamp
        | PcrIndex
        | PcrLength { .. }
        | CertificateSize { .. }
        | BundleCount
        | FieldLength(_) => (
            "Its content is not what Nitro writes, so that two readers could take it for different things.",
            "Take it for damaged or forged, and ask the enclave for a new one.",
        ),
        CertificateMalformed
        | CertificateAlgorithm
        | BasicConstraints
        | PathLength
        | KeyUsage { .. }
        | CertificateExtension
        | BundleOrder => (
            "Its certificates are not a path as the CAs of AWS Nitro Enclaves issue it.",
            "Take it for forged, and ask the enclave for a new one.",
        ),
        UntrustedRoot => (
            "Its certificates do not lead to the pinned root: whoever made it has a root of their own, or changed a certificate.",
            "For a document of the simulator give the simulator's root with --root. Otherwise it does not come from an AWS Nitro Enclave.",
        ),
        NotYetValid => (
            "At the given time one of its certificates had not begun.",
            "Look at --at and at this machine's clock. A document from the past is verified as of the time at which it was made.",
        ),
        Ended => (
            "At the given time one of its certificates had ended: a leaf lives about three hours, and an old document says nothing about now.",
            "Ask the enclave for a new one. To verify a record of the past, give the time at which it was made with --at.",
        ),
        Signature => (
            "The document was changed after it was signed, or another key signed it.",
            "Take it for forged, and ask the enclave for a new one.",
        ),
        TimeOutsideLeaf => (
            "It states a time at which its own certificate was not valid.",
            "Take it for forged, and ask the enclave for a new one.",
        ),
        TimeAhead => (
            "It was made later than the given time, which somebody could use to keep it for later.",
            "Look at --at and at this machine's clock.",
        ),
        MeasurementMissing => (
            "It does not say what image the enclave runs.",
            "Ask for a document of an enclave that was started from an image file.",
        ),
        DebugMode => (
            "The enclave runs in debug mode: it measures nothing, and its parent reads all that it says.",
            "For a test, add --allow-debug. For anything else the provider must start the enclave without debug mode.",
        ),
        PcrMissing { .. } | PcrMismatch { .. } => (
            "It is a genuine document of another image, signer, role or machine than the one that you expect.",
            "Compare with the PCRs that the build of the image printed. If they differ, do not trust this enclave.",
        ),
        _ => (
            "It does not bind what was expected of it.",
            "Ask the enclave for a new one.",
        ),
    }
}
