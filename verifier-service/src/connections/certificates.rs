//! The certificate chain and its key: two PEM files, read at start and again when they change.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidence::UnixTime;
use evidence::cert::Certificate;
use thiserror::Error;
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::TlsSettings;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The largest file read, in bytes: a chain has some thousand.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// What others may do with a file.
const BY_OTHERS: u32 = 0o007;

/// Why certificate or key cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateFileError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is larger than certificates are.
    #[error("{} is too large: expected at most {MAX_FILE_BYTES} bytes, got {actual}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        actual: u64,
    },
    /// Everybody can read the key.
    #[error("{} must not be open to others, got mode {mode:04o}: chmod o= {}", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file holds no PEM of what it should.
    #[error("{} holds no usable {expected}: {source}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// Chain and key cannot be used together.
    #[error("{} and {} cannot be used: {source}", certificate.display(), key.display())]
    Unusable {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// What new connections are shaken hands with. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    current: watch::Sender<Loaded>,
    seen: Mutex<[Mark; 2]>,
}

/// A pair that can be used.
#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The first moment at which a certificate of the chain has expired. `None` where one of them is not understood here,
    /// which is no reason not to use it: clients judge it.
    expires: Option<UnixTime>,
}

/// What of a file changes when it is replaced or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark(Option<(u64, u64, i64, i64)>);

/// Whether certificate and key could be used now.
///
/// # Errors
/// See [`CertificateFileError`].
pub fn check_certificates(settings: &TlsSettings) -> Result<(), CertificateFileError> {
    Certificates::open(settings).map(drop)
}

impl Certificates {
    /// Reads the files; `None` where the settings name none.
    ///
    /// # Errors
    /// See [`CertificateFileError`].
    pub(crate) fn open(settings: &TlsSettings) -> Result<Option<Self>, CertificateFileError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
            return Ok(None);
        };
        let seen = marks(certificate, key);
        let current = watch::channel(load(certificate, key)?).0;
        Ok(Some(Self(Arc::new(Inner {
            certificate: certificate.clone(),
            key: key.clone(),
            current,
            seen: Mutex::new(seen),
        }))))
    }

    /// What the next connection is shaken hands with.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.borrow().config)
    }

    /// When the first certificate of the chain expires, as far as it is understood.
    pub(crate) fn expires(&self) -> Option<UnixTime> {
        self.0.current.borrow().expires
    }

    /// Reads the files again. What cannot be used is logged, and changes nothing.
    pub(crate) fn reload(&self) {
        let Inner {
            certificate,
            key,
            current,
            seen,
        } = self.0.as_ref();
        // Marked first: a change in between is seen at the next look.
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = marks(certificate, key);
        match load(certificate, key) {
            Ok(loaded) => {
                current.send_replace(loaded);
                tracing::info!("certificate and key were read again");
            }
            Err(error) => {
                tracing::error!(cause = %error, "new certificate or key cannot be used: the old ones go on");
            }
        }
    }

    /// Reads the files again whenever one of them changed. Never ends.
    pub(super) async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    pub(super) fn look(&self) {
        let now = marks(&self.0.certificate, &self.0.key);
        let seen = *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now != seen {
            self.reload();
        }
    }
}

fn marks(certificate: &Path, key: &Path) -> [Mark; 2] {
    [certificate, key].map(|path| {
        let of = |m: Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec());
        Mark(fs::metadata(path).ok().map(of))
    })
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded, CertificateFileError> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?.0)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| match chain.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(|source| not_pem(certificate, "certificate", source))?;
    let (pem, metadata) = read(key)?;
    let mode = metadata.mode() & 0o7777;
    if mode & BY_OTHERS != 0 {
        return Err(CertificateFileError::OpenToOthers {
            path: key.to_owned(),
            mode,
        });
    }
    let pem = zeroize::Zeroizing::new(pem);
    let private = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|source| not_pem(key, "private key", source))?;
    let expires = expiry(&chain);
    let config = config(chain, private).map_err(|source| CertificateFileError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    Ok(Loaded { config, expires })
}

fn expiry(chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
    let ends = chain.iter().map(|der| {
        let certificate = Certificate::from_der(der);
        Some(certificate.ok()?.validity().not_after)
    });
    ends.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. That the key is the certificate's is seen to by the library.
fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![super::serve::H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<(Vec<u8>, Metadata), CertificateFileError> {
    let unreadable = |source| CertificateFileError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(CertificateFileError::TooLarge {
            path: path.to_owned(),
            actual: metadata.len(),
        });
    }
    Ok((fs::read(path).map_err(unreadable)?, metadata))
}

fn not_pem(path: &Path, expected: &'static str, source: pem::Error) -> CertificateFileError {
    CertificateFileError::NotPem {
        path: path.to_owned(),
        expected,
        source,
    }
}
