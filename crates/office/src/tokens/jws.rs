//! The envelope of a token (RFC 7515 7.1) and its signature (RFC 7518 3, RFC 8037 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm,
    EdDSAParameters, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use serde::Deserialize;

use super::jwks::KeySet;

/// The algorithms that are taken. `none` is not among them, nor is any with a shared secret.
#[derive(Clone, Copy)]
pub(super) enum Algorithm {
    Rsa(&'static str, &'static RsaParameters),
    P256(&'static EcdsaVerificationAlgorithm),
    P384(&'static EcdsaVerificationAlgorithm),
    Ed25519(&'static EdDSAParameters),
}

impl Algorithm {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rsa("RS256", &RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa("RS384", &RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa("RS512", &RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa("PS256", &RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa("PS384", &RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa("PS512", &RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::P256(&ECDSA_P256_SHA256_FIXED),
            "ES384" => Self::P384(&ECDSA_P384_SHA384_FIXED),
            "EdDSA" => Self::Ed25519(&ED25519),
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rsa(name, _) => name,
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// The payload, if a key has signed it.
pub(super) fn verified_payload(token: &str, keys: &KeySet) -> Result<Vec<u8>, &'static str> {
    const NO_TOKEN: &str = "it is no token";
    let (signed, signature) = token.rsplit_once('.').ok_or(NO_TOKEN)?;
    let (header, payload) = signed.split_once('.').ok_or(NO_TOKEN)?;
    let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| NO_TOKEN);
    let (header, payload) = (octets(header)?, octets(payload)?);
    let signature = octets(signature)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| NO_TOKEN)?;
    if header.crit.is_some() {
        return Err("the header of the token demands what is not known");
    }
    let algorithm = Algorithm::from_name(&header.alg);
    let algorithm = algorithm.ok_or("the algorithm of the token is not taken")?;
    let kid = header.kid.as_deref();
    if keys.has_signed(algorithm, kid, signed.as_bytes(), &signature) {
        Ok(payload)
    } else {
        Err("no key has signed the token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 A.2.
    const RSA: (&str, &str) = (
        concat!(
            r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTb"#,
            r#"ji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCg"#,
            r#"NMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5r"#,
            r#"exMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwK"#,
            r#"h9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAc"#,
            r#"DTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#,
        ),
        concat!(
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI",
            "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EG",
            "rhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju",
            "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6x",
            "BArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOk",
            "HWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A",
            "XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
    );

    /// RFC 7515 A.3.
    const P256: (&str, &str) = (
        concat!(
            r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e"#,
            r#"8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        ),
        concat!(
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI",
            "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOy",
            "KAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    );

    /// RFC 8037 A.4.
    const EDWARDS: (&str, &str) = (
        concat!(
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvP"#,
            r#"apiMlrwIaaPcHURo"}]}"#,
        ),
        concat!(
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP",
            "0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0",
            "KAg",
        ),
    );

    #[test]
    fn the_examples_of_the_rfcs_are_verified_with_their_own_keys_alone() {
        let examples = [RSA, P256, EDWARDS];
        for (owner, (jwks, _)) in examples.iter().enumerate() {
            let keys = KeySet::parse(jwks.as_bytes()).unwrap();
            for (signer, (_, token)) in examples.iter().enumerate() {
                let verified = verified_payload(token, &keys);
                assert_eq!(verified.is_ok(), owner == signer, "{owner} {signer}");
            }
        }
    }

    #[test]
    fn an_algorithm_that_the_key_is_not_for_is_refused() {
        let keys = RSA
            .0
            .replace(r#""kty":"RSA""#, r#""kty":"RSA","alg":"PS256""#);
        let keys = KeySet::parse(keys.as_bytes()).unwrap();
        let verified = verified_payload(RSA.1, &keys);
        assert_eq!(verified, Err("no key has signed the token"));
        let for_encryption = RSA
            .0
            .replace(r#""kty":"RSA""#, r#""kty":"RSA","use":"enc""#);
        assert!(KeySet::parse(for_encryption.as_bytes()).is_err());
    }
}
