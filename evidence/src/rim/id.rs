//! Whether a manifest is the one that an id names (nvidia-evidence 3.3, 6.6).
//!
//! In scope: what both speak of, the version and the chip. Out of scope: the board, which the id of a GPU's VBIOS names
//! and no manifest does: for that, what was asked for by an id is used for that id only (row 92).

use super::Rim;
use crate::device::{self, Architecture};
use crate::reason::{Code, Reason};

impl Rim {
    /// Row 90: a validly signed manifest of another chip can be fetched by asking for the wrong id.
    #[must_use]
    pub fn other_product(&self, product: &str) -> Option<Reason> {
        let actual = [self.name(), self.product(), self.platform_model()];
        let reason = || Reason::new(Code::RimProductMismatch, "product of the manifest");
        (actual != [product; 3]).then(|| reason().expected(product).actual(actual.join(", ")))
    }

    /// Why no device that asks for `id` is one that this manifest is for. Of an id under which an appraisal of any device
    /// would take it there is no reason.
    #[must_use]
    pub fn objection_to_id(&self, id: &str) -> Option<Reason> {
        let is_of_driver = device::is_driver_rim_id(id);
        let version = match is_of_driver {
            true => self.version().to_owned(),
            false => device::vbios_digits(self.version()),
        };
        let before_version = id.strip_suffix(&version);
        let before_version = before_version.and_then(|rest| rest.strip_suffix('_'));
        let named = before_version.filter(|_| !version.is_empty());
        match named.map(device::chip_named) {
            Some(Some(chip)) => self.other_product(chip),
            Some(None) if !is_of_driver => self.no_product_of_a_gpu(),
            // The id of a driver names a chip: what took its place belongs to the version.
            Some(None) | None => {
                let reason = Reason::new(Code::RimVersionMismatch, "version of the manifest");
                Some(reason.expected(id).actual(self.version()))
            }
        }
    }

    /// The id of a GPU's VBIOS names a board, and that may carry any chip but a switch.
    fn no_product_of_a_gpu(&self) -> Option<Reason> {
        let is_of_switch = self.product() == Architecture::Ls10.rim_product(None);
        let reason = || Reason::new(Code::RimProductMismatch, "product of the manifest");
        let of_switch = is_of_switch.then(|| reason().expected("a GPU").actual(self.product()));
        of_switch.or_else(|| self.other_product(self.product()))
    }
}
