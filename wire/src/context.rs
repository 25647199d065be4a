//! Context strings: every signature, AEAD, HPKE info, OAEP label, hash and derivation has one of its own, so bytes
//! made for one purpose mean nothing for another (T-65, T-73).

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = concat!("cofferdam/v1/", $text);)*
        /// Every context string, for the test that no two are equal.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

contexts! {
    /// Hash: group id from the genesis body.
    GROUP_ID = "group-id";
    /// Hash: partition id from group id, owner key and name.
    PARTITION_ID = "partition-id";
    /// Hash: key id from the statement.
    KEY_ID = "key-id";
    /// Hash: handle from a status token; cut to 16 bytes.
    HANDLE = "handle";
    /// Hash: what the registrar leaves at the revocation service instead of the token.
    TOKEN = "token";
    /// Hash: thumbprint of a signing public key (owner, app, status root, instance).
    THUMBPRINT = "thumbprint";
    /// Hash: id of a key that layers, sessions or challenges are sealed to.
    RECIPIENT = "recipient";
    /// Hash: the clear header of an import.
    HEADER = "header";
    /// Hash: the vendor layer inside the statement.
    VENDOR_LAYER_HASH = "vendor-layer-hash";
    /// Hash: control part of a payload.
    CONTROL = "control";
    /// Hash: material part of a payload.
    MATERIAL = "material";
    /// Hash: revocation data with its release secrets.
    REVOCATION = "revocation";
    /// Hash: the transcript T of the proof.
    TRANSCRIPT = "transcript";
    /// Hash: one grant.
    GRANT_ID = "grant-id";
    /// Hash: one ticket, in additional data.
    TICKET_ID = "ticket-id";
    /// Signature: statement by the owner.
    STATEMENT = "statement";
    /// Signature: grant by the owner.
    GRANT = "grant";
    /// Signature: import receipt by the instance.
    RECEIPT = "receipt";
    /// Signature: vendor statement by the vendor.
    VENDOR_STATEMENT = "vendor-statement";
    /// Signature: a validator's answer about one provider key.
    VALIDATOR_ANSWER = "validator-answer";
    /// Signature: certificate of a status key by the status root.
    STATUS_CERTIFICATE = "status-certificate";
    /// Signature: query by the instance.
    STATUS_QUERY = "status-query";
    /// Signature: answer by the status key.
    STATUS_ANSWER = "status-answer";
    /// Signature: pushed answer by the status key; it may only shorten.
    STATUS_PUSH = "status-push";
    /// Signature: one entry of the revocation service's audit log.
    AUDIT_ENTRY = "audit-entry";
    /// Signature: session opening by the app.
    SESSION_OPEN = "session-open";
    /// Signature: an owner's request to the parent (listing).
    OWNER_REQUEST = "owner-request";
    /// HPKE info and OAEP label: vendor layer.
    LAYER_VENDOR = "layer/vendor";
    /// HPKE info and OAEP label: provider layer.
    LAYER_PROVIDER = "layer/provider";
    /// Derivation: commitment of a layer.
    LAYER_COMMITMENT = "layer/commitment";
    /// Derivation: key and nonce of a suite 2 layer.
    LAYER_KEY = "layer/key";
    /// HPKE info and OAEP label: possession challenge.
    CHALLENGE = "challenge";
    /// MAC: reply to a possession challenge.
    CHALLENGE_REPLY = "challenge-reply";
    /// Derivation and additional data: a part of a stored record.
    RECORD = "record";
    /// HPKE info: opening of a session.
    SESSION = "session";
    /// Derivation: key from app to enclave.
    SESSION_REQUEST_KEY = "session/request-key";
    /// Derivation: key from enclave to app.
    SESSION_ANSWER_KEY = "session/answer-key";
    /// Additional data: the answer to an opening.
    SESSION_ACCEPT = "session/accept";
    /// Additional data: a ticket.
    TICKET = "ticket";
    /// Additional data: a sealed request.
    REQUEST = "request";
    /// Additional data: a sealed answer.
    ANSWER = "answer";
    /// HPKE info: status query to the service.
    QUERY_SEAL = "query-seal";
    /// HPKE info: status answer to the setup key.
    ANSWER_SEAL = "answer-seal";
    /// Evidence user_data: Binding.
    BINDING = "binding";
    /// Evidence user_data: genesis body.
    GENESIS = "genesis";
    /// Hash: commitment to the group key.
    GROUP_KEY = "group-key";
    /// Hash: commitment to one share.
    SHARE = "share";
    /// HPKE info: a share on its way to an officer.
    SHARE_TO_OFFICER = "share/officer";
    /// HPKE info: a share on its way to an enclave's setup key.
    SHARE_TO_ENCLAVE = "share/enclave";
    /// Hash: check value of a symmetric key in a receipt.
    CHECK_VALUE = "check-value";
    /// Hash: genesis of the command chain.
    CHAIN = "chain";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_context_is_its_own() {
        let distinct: std::collections::BTreeSet<_> = ALL.iter().collect();
        assert_eq!(distinct.len(), ALL.len());
        assert!(
            ALL.iter()
                .all(|context| context.starts_with("cofferdam/v1/"))
        );
    }
}
