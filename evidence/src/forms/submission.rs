//! A document of a known form, read device by device.

use super::fields;
use super::form::{Form, Shape, StatedBy};
use super::node::{Node, Read};
use super::{StatedVersions, SubmittedDevice, SubmittedEvidence};
use crate::device::Architecture;
use crate::limits::MAX_DEVICES;
use crate::reason::{Code, Reason};

/// Reads a document of any form. Whatever is wrong with one member does not keep the others from being read.
pub(super) fn read(document: Node<'_>) -> Read<SubmittedEvidence> {
    let form = Form::recognise(document)?;
    let shape = form.shape();
    let mut reader = Reader {
        form,
        shape,
        nonce: None,
        arch: None,
    };
    match form {
        Form::NvattestOutput => was_collected(document)?,
        Form::Pogw => document.only(&["nonce", "devices"]),
        _ => {}
    }
    let nonce = reader.nonce(document, StatedBy::Document);
    let arch = reader.document_architecture(document);
    let claims_version = match form {
        Form::NrasRequest => document.optional("claims_version", fields::claims_version),
        _ => Ok(None),
    };
    let devices = match shape.list {
        Some(name) => document.required(name, |list| reader.devices(list)),
        None if form == Form::NvattestSystem => reader.lists(document),
        None => reader.devices(document),
    };
    nonce?;
    arch?;
    Ok(SubmittedEvidence {
        form,
        nonce: reader.nonce,
        claims_version: claims_version?,
        devices: devices?,
    })
}

/// A failed collection is refused in the tool's own words; so is the result of an attestation, which `nvattest` prints
/// in the same wrapper.
fn was_collected(document: Node<'_>) -> Read<()> {
    let attested = document.has("claims") || document.has("detached_eat");
    if attested && !document.has("evidences") {
        let reason = Reason::new(Code::FormUnknown, "is the result of an attestation")
            .expected("evidence, as `nvattest collect-evidence --format json` prints it");
        return document.refuse(reason);
    }
    let code = document.required("result_code", |node| node.integer())?;
    if code == 0 {
        return Ok(());
    }
    let message = document.optional("result_message", |node| node.text().map(str::to_owned))?;
    let reason = Reason::new(Code::CollectionFailed, "the evidence was not collected")
        .expected("result_code 0")
        .actual(format!("{code}: {}", message.unwrap_or_default()));
    document.refuse(reason)
}

struct Reader {
    form: Form,
    shape: Shape,
    /// The first nonce stated anywhere.
    nonce: Option<[u8; 32]>,
    /// The architecture stated for all devices.
    arch: Option<Architecture>,
}

impl Reader {
    /// Each list is bounded by itself, and both together by the number of devices.
    fn lists(&mut self, system: Node<'_>) -> Read<Vec<SubmittedDevice>> {
        let lists: Vec<_> = system
            .elements()?
            .map(|list| self.devices(list.node()))
            .collect();
        let devices: Vec<_> = lists.into_iter().collect::<Read<Vec<_>>>()?.concat();
        at_most_all(system, devices.len())?;
        Ok(devices)
    }

    fn devices(&mut self, list: Node<'_>) -> Read<Vec<SubmittedDevice>> {
        let elements = list.elements()?;
        let count = elements.len();
        at_most_all(list, count)?;
        if count == 0 {
            return list.refuse(Reason::new(Code::DeviceMissing, "lists no device"));
        }
        // All are read before the first that failed is returned: each leaves its reasons.
        let devices: Vec<_> = elements
            .map(|element| self.device(element.node()))
            .collect();
        devices.into_iter().collect()
    }

    fn device(&mut self, device: Node<'_>) -> Read<SubmittedDevice> {
        device.is_object()?;
        let Shape { report, chain, .. } = self.shape;
        match self.form {
            Form::Pogw => device.only(&["arch", report, chain]),
            _ => speaks_one_vocabulary(device),
        }
        let read_report = match self.form {
            Form::Trustee => fields::report_of_either_encoding,
            _ => fields::report,
        };
        let claimed = self.architecture(device);
        let nonce = self.nonce(device, StatedBy::EachDevice);
        let report = device.required(report, read_report);
        let chain = device.required(chain, fields::chain);
        let stated = self.versions(device);
        let uuid = match self.form {
            Form::Trustee => device.optional("uuid", fields::label),
            _ => Ok(None),
        };
        nonce?;
        Ok(SubmittedDevice {
            claimed: claimed?,
            report: report?,
            chain_pem: chain?,
            stated: stated?,
            uuid: uuid?,
        })
    }

    /// Row 118: a nonce stated by the document or a device, wherever the form demands it, is the one stated before.
    fn nonce(&mut self, node: Node<'_>, stated_by: StatedBy) -> Read<()> {
        let first = self.nonce;
        let agreeing = |node: Node<'_>| {
            let nonce = fields::nonce(node)?;
            if let Some(first) = first.filter(|first| *first != nonce) {
                let reason = Reason::new(Code::NoncesDiffer, "nonce differs from the first")
                    .expected(hex::encode(first))
                    .actual(hex::encode(nonce));
                return node.refuse(reason);
            }
            Ok(nonce)
        };
        let stated = if self.shape.nonce == stated_by {
            node.required("nonce", agreeing).map(Some)
        } else if self.form == Form::Pogw {
            // Already noted as a member that does not belong there.
            Ok(None)
        } else {
            node.optional("nonce", agreeing)
        };
        self.nonce = self.nonce.or(stated?);
        Ok(())
    }

    fn document_architecture(&mut self, document: Node<'_>) -> Read<()> {
        if self.shape.arch == StatedBy::Document {
            self.arch = Some(document.required("arch", fields::architecture)?);
        }
        Ok(())
    }

    /// What the sender claims for a device, wherever the form has its place.
    fn architecture(&self, device: Node<'_>) -> Read<Option<Architecture>> {
        match self.shape.arch {
            StatedBy::EachDevice => device.required("arch", fields::architecture).map(Some),
            StatedBy::Nobody => device.optional("arch", fields::architecture),
            StatedBy::Document => {
                let for_all = self.arch;
                let agreeing = |node: Node<'_>| {
                    let own = fields::architecture(node)?;
                    match for_all.filter(|arch| *arch != own) {
                        None => Ok(own),
                        Some(arch) => {
                            let reason =
                                Reason::new(Code::FormAmbiguous, "architecture of one device")
                                    .expected(format!("{arch}, as of the whole request"))
                                    .actual(own);
                            node.refuse(reason)
                        }
                    }
                };
                device.optional("arch", agreeing).map(|own| for_all.or(own))
            }
        }
    }

    /// Older files of nvattest state versions; elsewhere such members have no meaning known to us.
    fn versions(&self, device: Node<'_>) -> Read<StatedVersions> {
        let of_nvattest = [
            Form::NvattestArray,
            Form::NvattestSystem,
            Form::NvattestOutput,
        ];
        if !of_nvattest.contains(&self.form) {
            return Ok(StatedVersions::default());
        }
        let driver = device.optional("driver_version", fields::label);
        let vbios = device.optional("vbios_version", fields::label);
        Ok(StatedVersions {
            driver: driver?,
            vbios: vbios?,
        })
    }
}

fn at_most_all(list: Node<'_>, count: usize) -> Read<()> {
    if count <= MAX_DEVICES {
        return Ok(());
    }
    let reason = Reason::new(Code::TooManyDevices, "number of devices")
        .expected(format!("at most {MAX_DEVICES}"))
        .actual(count);
    list.refuse(reason)
}

/// A device with `evidence` and `report` could mean either.
fn speaks_one_vocabulary(device: Node<'_>) {
    for name in ["report", "chain"] {
        if device.has(name) {
            let reason = Reason::new(Code::FormAmbiguous, "device has members of two forms")
                .expected("evidence, certificate")
                .actual(name);
            device.note(reason);
        }
    }
}
