//! Private halves in a hardware module or its like, through PKCS #11 (OASIS, version 2.40 and later). They never leave it.
//!
//! The keys of this service carry one label (`CKA_LABEL`); the two halves of a pair share an id (`CKA_ID`). The public
//! half must be in the token beside the private one. Each signature is verified before it is handed on, so that a
//! faulty module is noticed here and not by whoever holds the receipt.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, UnparsedPublicKey,
};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use der::Decode;
use der::asn1::OctetString;
use receipt::{Algorithm, Jwk, SignError, Signer};
use zeroize::Zeroizing;

use super::{Held, Maker, Source};
use crate::config::Pkcs11Settings;
use crate::keys::KeyError;
use crate::keys::filed::read;
use crate::lock::lock;
use crate::{private_files, random};

/// `CKA_EC_PARAMS` of each algorithm: the object identifier of its curve in DER (RFC 5480, RFC 8410).
const CURVES: [(Algorithm, &[u8]); 3] = [
    (Algorithm::Es384, b"\x06\x05\x2b\x81\x04\x00\x22"),
    (
        Algorithm::Es256,
        b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
    ),
    (Algorithm::Ed25519, b"\x06\x03\x2b\x65\x70"),
];
/// The name of the curve, which modules older than PKCS #11 3.0 know instead of its object identifier.
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";
/// Longest PIN read from a file, in bytes; no token takes a longer one.
const MAX_PIN_BYTES: usize = 255;

/// A token, and the keys in it that are this service's.
pub(super) struct Token(Arc<Access>);

/// How to the token is spoken.
struct Access {
    context: Pkcs11,
    slot: Slot,
    pin: Option<AuthPin>,
    /// Of the token.
    name: String,
    /// Of the keys.
    label: String,
    /// Whether the token refused the PIN: trying again would lock it.
    is_locked_out: AtomicBool,
}

/// A private half in the token.
struct TokenSigner {
    access: Arc<Access>,
    jwk: Jwk,
    /// As the module exports it and the library verifies by it.
    public_key: Vec<u8>,
    id: Vec<u8>,
    /// A session serves one thread at a time. There is none after one failed.
    session: Mutex<Option<(Session, ObjectHandle)>>,
}

impl Token {
    /// Loads the module and finds the token.
    pub(super) fn open(module: &Path, settings: &Pkcs11Settings) -> Result<Self, KeyError> {
        let fault = |error| fault_at(&format!("{}: ", module.display()), &error);
        let context = Pkcs11::new(module).map_err(fault)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another part of this process uses the same module.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(fault(error)),
        }
        let slot = slot(&context, &settings.token)?;
        let access = Access {
            context,
            slot,
            pin: settings.pin_file.as_deref().map(pin).transpose()?,
            name: settings.token.clone(),
            label: settings.label.clone(),
            is_locked_out: AtomicBool::new(false),
        };
        Ok(Self(Arc::new(access)))
    }
}

impl Source for Token {
    fn keys(&self) -> Result<Vec<Result<Held, KeyError>>, KeyError> {
        let access = &self.0;
        let session = access.session(Intent::Sign)?;
        let ours = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Token(true),
            Attribute::Label(access.label.clone().into_bytes()),
        ];
        let found = session.find_objects(&ours).map_err(token_fault)?;
        let read = |key: ObjectHandle| access.read(&session, key);
        let signers = found.into_iter().map(read);
        let held = signers.map(|signer| signer.map(|signer| access.held(signer)));
        Ok(held.collect())
    }
}

impl Maker for Token {
    fn make(&self, algorithm: Algorithm) -> Result<Held, KeyError> {
        let access = &self.0;
        let session = access.session(Intent::Make)?;
        let id = random::bytes::<16>().to_vec();
        let curve = CURVES.iter().find(|(of, _)| *of == algorithm);
        let curve = curve.map(|(_, curve)| *curve).unwrap_or_default();
        let (mechanism, curves): (_, &[&[u8]]) = match algorithm {
            Algorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, &[curve, EDWARDS25519]),
            _ => (Mechanism::EccKeyPairGen, &[curve]),
        };
        let mut refused = None;
        for curve in curves {
            let (public, private) = access.templates(&id, curve);
            match session.generate_key_pair(&mechanism, &public, &private) {
                Ok((_, key)) => {
                    let signer = access.read(&session, key)?;
                    return Ok(access.held(signer));
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.map_or(KeyError::Generate(algorithm), token_fault))
    }
}

/// What a session is for.
#[derive(Clone, Copy)]
enum Intent {
    Sign,
    Make,
}

impl Access {
    /// A session, logged in.
    fn session(&self, intent: Intent) -> Result<Session, KeyError> {
        self.open(intent).map_err(token_fault)
    }

    fn open(&self, intent: Intent) -> Result<Session, Error> {
        if self.is_locked_out.load(Ordering::SeqCst) {
            return Err(Error::Pkcs11(RvError::PinIncorrect, Function::Login));
        }
        let session = match intent {
            Intent::Sign => self.context.open_ro_session(self.slot),
            Intent::Make => self.context.open_rw_session(self.slot),
        }?;
        // A login is of the whole process; the first session makes it for all.
        match session.login(UserType::User, self.pin.as_ref()) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                self.is_locked_out
                    .fetch_or(is_of_pin(&error), Ordering::SeqCst);
                Err(error)
            }
        }
    }

    fn templates(&self, id: &[u8], curve: &[u8]) -> (Vec<Attribute>, Vec<Attribute>) {
        let label = || Attribute::Label(self.label.clone().into_bytes());
        let public = vec![
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(curve.to_vec()),
            Attribute::Id(id.to_vec()),
            label(),
        ];
        let private = vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Id(id.to_vec()),
            label(),
        ];
        (public, private)
    }

    /// The signer of a private half, from the public one beside it.
    fn read(
        self: &Arc<Self>,
        session: &Session,
        key: ObjectHandle,
    ) -> Result<TokenSigner, KeyError> {
        let attributes = session
            .get_attributes(key, &[AttributeType::Id])
            .map_err(token_fault)?;
        let id = attributes
            .into_iter()
            .find_map(|attribute| match attribute {
                Attribute::Id(id) => Some(id),
                _ => None,
            });
        let id = id.unwrap_or_default();
        let (algorithm, public_key) = public_half(session, &id)?;
        let jwk = Jwk::from_public_key(algorithm, &public_key);
        Ok(TokenSigner {
            jwk: jwk.map_err(|error| self.unusable(&id, &error.to_string()))?,
            access: Arc::clone(self),
            public_key,
            id,
            session: Mutex::new(None),
        })
    }

    fn held(&self, signer: TokenSigner) -> Held {
        Held {
            place: format!("token {}, id {}", self.name, hex::encode(&signer.id)),
            signer: Arc::new(signer),
        }
    }

    fn unusable(&self, id: &[u8], why: &str) -> KeyError {
        KeyError::Token(format!("{}: key {}: {why}", self.name, hex::encode(id)))
    }
}

impl Signer for TokenSigner {
    fn public_jwk(&self) -> &Jwk {
        &self.jwk
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut session = lock(&self.session);
        // A module that was restarted knows its sessions no more; a new one is tried once.
        let first = self.sign_in(&mut session, message);
        let signature = first.or_else(|_| {
            *session = None;
            self.sign_in(&mut session, message)
        });
        let signature = signature.map_err(|error| failed(error.to_string()))?;
        match self.is_ours(message, &signature) {
            true => Ok(signature),
            false => Err(failed(
                "the token made a signature that is not its key's".to_owned(),
            )),
        }
    }
}

impl TokenSigner {
    fn sign_in(
        &self,
        held: &mut Option<(Session, ObjectHandle)>,
        message: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let (session, key) = match held {
            Some(open) => open,
            None => held.insert(self.open()?),
        };
        let ecdsa = |hash| session.sign(&Mechanism::Ecdsa, *key, digest(hash, message).as_ref());
        match self.jwk.algorithm() {
            Algorithm::Es384 => ecdsa(&SHA384),
            Algorithm::Es256 => ecdsa(&SHA256),
            Algorithm::Ed25519 => {
                let pure = EddsaParams::new(EddsaSignatureScheme::Pure);
                session.sign(&Mechanism::Eddsa(pure), *key, message)
            }
        }
    }

    fn open(&self) -> Result<(Session, ObjectHandle), Error> {
        let session = self.access.open(Intent::Sign)?;
        let of_id = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Id(self.id.clone()),
        ];
        let key = session.find_objects(&of_id)?.into_iter().next();
        let gone = || Error::Pkcs11(RvError::KeyHandleInvalid, Function::FindObjects);
        key.map(|key| (session, key)).ok_or_else(gone)
    }

    fn is_ours(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.jwk.algorithm() {
            Algorithm::Es384 => UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.public_key)
                .verify(message, signature),
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public_key)
                .verify(message, signature),
            Algorithm::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, &self.public_key).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// The token of this label.
fn slot(context: &Pkcs11, label: &str) -> Result<Slot, KeyError> {
    let slots = context
        .get_slots_with_initialized_token()
        .map_err(token_fault)?;
    let is_it = |slot: &Slot| {
        let token = context.get_token_info(*slot);
        token.is_ok_and(|token| token.label() == label)
    };
    let mut found = slots.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(slot), None) => Ok(slot),
        // A module whose device is away knows none of its tokens.
        (None, _) => Err(KeyError::TokenAway(format!("there is no token {label}"))),
        (Some(_), Some(_)) => Err(KeyError::Token(format!("two tokens are called {label}"))),
    }
}

/// Algorithm and bytes of the public key of this id.
fn public_half(session: &Session, id: &[u8]) -> Result<(Algorithm, Vec<u8>), KeyError> {
    let unusable = |why: &str| KeyError::Token(format!("key {}: {why}", hex::encode(id)));
    let of_id = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::Id(id.to_vec()),
    ];
    let found = session.find_objects(&of_id).map_err(token_fault)?;
    let [key] = found.as_slice() else {
        return Err(unusable("its public half is not beside it, or not alone"));
    };
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let (mut curve, mut point) = (Vec::new(), Vec::new());
    for attribute in session.get_attributes(*key, &wanted).map_err(token_fault)? {
        match attribute {
            Attribute::EcParams(bytes) => curve = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    let algorithm =
        algorithm_of(&curve).ok_or_else(|| unusable("its curve is none for receipts"))?;
    // The standard wraps the point into an octet string; some modules do not.
    let unwrapped = OctetString::from_der(&point).map(|inner| inner.as_bytes().to_vec());
    Ok((algorithm, unwrapped.unwrap_or(point)))
}

fn algorithm_of(curve: &[u8]) -> Option<Algorithm> {
    let known = CURVES.iter().find(|(_, parameters)| *parameters == curve);
    let by_name = || (curve == EDWARDS25519).then_some(Algorithm::Ed25519);
    known.map(|(algorithm, _)| *algorithm).or_else(by_name)
}

fn pin(path: &Path) -> Result<AuthPin, KeyError> {
    let malformed = || KeyError::Pin(path.to_owned());
    if !private_files::exists_privately(path)? {
        return Err(malformed());
    }
    let text = Zeroizing::new(read(path, |path| std::fs::read_to_string(path))?);
    let pin = text.trim_end_matches(['\n', '\r']);
    match (1..=MAX_PIN_BYTES).contains(&pin.len()) && !pin.contains('\n') {
        true => Ok(AuthPin::new(pin.into())),
        false => Err(malformed()),
    }
}

fn token_fault(error: Error) -> KeyError {
    fault_at("", &error)
}

fn fault_at(place: &str, error: &Error) -> KeyError {
    let text = format!("{place}{error}");
    match is_away(error) {
        true => KeyError::TokenAway(text),
        false => KeyError::Token(text),
    }
}

fn is_of_pin(error: &Error) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
    let Error::Pkcs11(code, _) = error else {
        return false;
    };
    matches!(
        code,
        PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked
    )
}

/// Whether this is what a module answers when its device, or the way to it, is not there: then it may be there later. Of a
/// login only what says so outright, because a module may refuse a PIN by any other word, and each try brings the token
/// nearer to its lock.
fn is_away(error: &Error) -> bool {
    use RvError::{
        DeviceError, DeviceMemory, DeviceRemoved, FunctionFailed, GeneralError, SlotIdInvalid,
        TokenNotPresent,
    };
    match error {
        Error::Pkcs11(DeviceRemoved | TokenNotPresent, _) => true,
        Error::Pkcs11(_, Function::Login) => false,
        Error::Pkcs11(code, _) => matches!(
            code,
            DeviceError | DeviceMemory | FunctionFailed | GeneralError | SlotIdInvalid
        ),
        _ => false,
    }
}

fn failed(reason: String) -> SignError {
    SignError::Failed { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_a_login_that_was_refused_is_not() {
        let table = [
            (RvError::GeneralError, Function::Initialize, true),
            (RvError::DeviceError, Function::OpenSession, true),
            (RvError::TokenNotPresent, Function::OpenSession, true),
            (RvError::DeviceRemoved, Function::Login, true),
            (RvError::PinIncorrect, Function::Login, false),
            (RvError::PinLocked, Function::Login, false),
            (RvError::GeneralError, Function::Login, false),
            (RvError::FunctionFailed, Function::Login, false),
            (RvError::DeviceError, Function::Login, false),
            (RvError::ArgumentsBad, Function::Initialize, false),
            (RvError::MechanismInvalid, Function::Sign, false),
        ];
        for (code, function, may_pass) in table {
            let fault = token_fault(Error::Pkcs11(code, function));
            assert_eq!(!fault.is_for_the_operator(), may_pass, "{fault}");
        }
    }
}
