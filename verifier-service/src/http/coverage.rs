//! `/v1/coverage`: could a device be appraised, as far as manifests go?

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use evidence::device::{
    Architecture, DeviceKind, driver_rim_id, is_rim_id, switch_bios_rim_id, vbios_rim_id,
};
use evidence::{Examined, UnixTime};
use serde::Serialize;

use super::{App, rims};
use crate::collateral::{Absence, AbsenceKind, Manifest, RimAtHand};
use crate::problem::{Problem, ProblemCode};

/// Most manifests asked for at once, and most boards listed for one VBIOS.
const MAX_IDS: usize = 16;
/// Longest value of a parameter; ids have at most 128 characters.
const MAX_VALUE_BYTES: usize = 128;
/// What the ids of VBIOS manifests start with: a GPU's, a switch's.
const GPU_PREFIX: &str = "NV_GPU_VBIOS_";
const SWITCH_PREFIX: &str = "NV_SWITCH_BIOS_";
/// Hexadecimal digits of a VBIOS version without its dots.
const VBIOS_DIGITS: usize = 10;
/// The architectures that have drivers.
const GPUS: [Architecture; 2] = [Architecture::Hopper, Architecture::Blackwell];
/// The parameters of a device, each given at most once.
const OF_DEVICE: [&str; 7] = [
    "arch",
    "driver",
    "vbios",
    "chip",
    "project",
    "project_sku",
    "chip_sku",
];

#[derive(Serialize)]
struct Coverage {
    as_of: UnixTime,
    covered: bool,
    manifests: Vec<Manifest>,
}

/// What is asked about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    /// Manifests by their ids.
    ids: Vec<String>,
    /// A VBIOS on whatever board.
    vbios_of_any_board: Option<AnyBoard>,
    /// A driver's version, on whatever architecture.
    driver_of_any_arch: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct AnyBoard {
    /// The version without its dots.
    digits: String,
    /// What the ids of such boards start with.
    prefixes: &'static [&'static str],
}

/// Something looked for under an id.
type Found = (String, Result<RimAtHand, Absence>);

/// Says of each manifest that a device would ask for whether it is at hand and good now. `covered` is what it says of
/// all together; of a VBIOS without its board, for the boards listed, and of a driver without its architecture, for the
/// architectures listed.
pub(super) async fn read(
    State(app): State<App>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = query.map_err(|_| malformed("expected name=value pairs"))?;
    let question = Question::read(parameters)?;
    let mut ids = question.ids;
    let mut unknown = None;
    if let Some(board) = question.vbios_of_any_board {
        let known = rims::known_ids(&app).await?;
        let boards = board.among(&known.ids);
        let unasked = known.unlisted.map(|absence| absence.reason);
        unknown = boards
            .is_empty()
            .then(|| Manifest::of_unknown_board(&board.digits, unasked));
        ids.extend(boards);
    }
    let found = rims::obtain(&app, ids).await;
    let drivers = match question.driver_of_any_arch {
        Some(version) => drivers(&app, &version, &found).await?,
        None => Vec::new(),
    };
    let as_of = app.clock.now();
    let manifests = drivers
        .iter()
        .chain(&found)
        .map(|(id, found)| Manifest::of(id, found.as_ref(), as_of));
    let manifests: Vec<_> = manifests.chain(unknown).collect();
    let coverage = Coverage {
        as_of,
        covered: manifests.iter().all(Manifest::is_available),
        manifests,
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(coverage)).into_response())
}

impl AnyBoard {
    /// The ids at hand that are of this version.
    fn among(&self, known: &[String]) -> Vec<String> {
        let suffix = format!("_{}", self.digits);
        let is_of = |id: &&String| {
            let mut prefixes = self.prefixes.iter();
            prefixes.any(|prefix| id.starts_with(prefix)) && id.ends_with(&suffix)
        };
        known.iter().filter(is_of).take(MAX_IDS).cloned().collect()
    }
}

/// The manifests of a driver for the chips that the VBIOS found is for, or else for every architecture. Of several, those
/// that are known not to be there are left out as long as another is: most drivers are for one architecture.
async fn drivers(app: &App, version: &str, vbios: &[Found]) -> Result<Vec<Found>, Problem> {
    let chips = chips_of(vbios);
    let ids: Vec<_> = match chips.as_slice() {
        [] => GPUS.map(|arch| driver_id(arch, None, version)).into(),
        chips => {
            let id = |(arch, chip): &(_, String)| driver_id(*arch, Some(chip), version);
            chips.iter().map(id).collect()
        }
    };
    let ids: Result<Vec<_>, _> = ids.into_iter().collect();
    let mut found = rims::obtain(app, ids?).await;
    let is_for_vbios = !chips.is_empty();
    if !is_for_vbios && found.iter().any(|(_, found)| found.is_ok()) {
        found.retain(
            |(_, found)| !matches!(found, Err(absence) if absence.kind == AbsenceKind::Missing),
        );
    }
    Ok(found)
}

/// The chips that authentic VBIOS manifests are for, as far as they are GPUs.
fn chips_of(vbios: &[Found]) -> Vec<(Architecture, String)> {
    let rims = vbios.iter().filter_map(|(_, found)| found.as_ref().ok());
    let products = rims.filter_map(|found| match &*found.rim {
        Examined::Authentic(rim) => Some(rim.get().product().to_owned()),
        _ => None,
    });
    let products: BTreeSet<_> = products.collect();
    let chip = |product: String| Some((Architecture::of_common_name(&product)?, product));
    products.into_iter().filter_map(chip).collect()
}

fn driver_id(arch: Architecture, chip: Option<&str>, version: &str) -> Result<String, Problem> {
    let id = driver_rim_id(arch, chip, version).filter(|id| is_rim_id(id));
    id.ok_or_else(|| {
        malformed("driver: expected the version of a GPU's driver, of letters, digits and dots")
    })
}

impl Question {
    fn read(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let is_sound = |value: &str| (1..=MAX_VALUE_BYTES).contains(&value.len());
        if !parameters.iter().all(|(_, value)| is_sound(value)) {
            return Err(malformed("expected values of 1 to 128 bytes"));
        }
        let (ids, of_device): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(name, _)| name == "rim");
        match (ids.is_empty(), of_device.is_empty()) {
            (false, true) => Self::of_ids(ids.into_iter().map(|(_, id)| id).collect()),
            (true, false) => Self::of_device(of_device),
            _ => Err(malformed("expected either rim, or driver or vbios")),
        }
    }

    fn of_ids(mut ids: Vec<String>) -> Result<Self, Problem> {
        if ids.len() > MAX_IDS {
            return Err(malformed("expected at most 16 ids"));
        }
        if !ids.iter().all(|id| is_rim_id(id)) {
            return Err(malformed("rim: expected ids of manifests"));
        }
        ids.sort();
        ids.dedup();
        Ok(Self {
            ids,
            ..Self::default()
        })
    }

    fn of_device(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let count = parameters.len();
        let mut of: BTreeMap<_, _> = parameters.into_iter().collect();
        let known = of.keys().all(|name| OF_DEVICE.contains(&name.as_str()));
        if !known || of.len() != count {
            let names = OF_DEVICE.join(", ");
            return Err(malformed(format!(
                "expected rim, or each at most once: {names}"
            )));
        }
        let arch = of.remove("arch").map(|arch| {
            let unknown = || malformed("arch: expected HOPPER, BLACKWELL or LS10");
            Architecture::parse(&arch).ok_or_else(unknown)
        });
        let (driver, vbios) = (of.remove("driver"), of.remove("vbios"));
        // Chips are told apart on Blackwell alone.
        let of_chip =
            (driver.is_some() && of.contains_key("chip")).then_some(Architecture::Blackwell);
        let arch = arch.transpose()?.or(of_chip);
        if driver.is_none() && vbios.is_none() {
            return Err(malformed("expected driver or vbios"));
        }
        let mut question = Self::default();
        if let Some(driver) = driver {
            question.add_driver(arch, driver, &mut of)?;
        }
        if let Some(vbios) = vbios {
            question.add_vbios(arch, &vbios, &mut of)?;
        }
        match of.is_empty() {
            true => Ok(question),
            false => Err(malformed("a parameter that does not go with the others")),
        }
    }

    fn add_driver(
        &mut self,
        arch: Option<Architecture>,
        version: String,
        of: &mut BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        if let Some(arch) = arch {
            let id = driver_id(arch, of.remove("chip").as_deref(), &version)?;
            self.ids.push(id);
            return Ok(());
        }
        for arch in GPUS {
            driver_id(arch, None, &version)?;
        }
        self.driver_of_any_arch = Some(version);
        Ok(())
    }

    fn add_vbios(
        &mut self,
        arch: Option<Architecture>,
        version: &str,
        of: &mut BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        let digits = version.replace('.', "").to_ascii_uppercase();
        let is_version =
            digits.len() == VBIOS_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_version {
            return Err(malformed("vbios: expected a version like 96.00.9F.00.01"));
        }
        let board = ["project", "project_sku", "chip_sku"].map(|name| of.remove(name));
        let id = match (arch.map(Architecture::kind), board) {
            (Some(DeviceKind::Switch), [None, None, None]) => switch_bios_rim_id(version),
            (kind, [None, None, None]) => {
                let prefixes: &[_] = match kind {
                    Some(_) => &[GPU_PREFIX],
                    None => &[GPU_PREFIX, SWITCH_PREFIX],
                };
                self.vbios_of_any_board = Some(AnyBoard { digits, prefixes });
                return Ok(());
            }
            (None | Some(DeviceKind::Gpu), [Some(project), Some(project_sku), Some(chip_sku)]) => {
                vbios_rim_id(&project, &project_sku, &chip_sku, version)
            }
            _ => {
                return Err(malformed(
                    "expected all of project, project_sku, chip_sku, or none",
                ));
            }
        };
        let id = id.filter(|id| is_rim_id(id));
        self.ids
            .push(id.ok_or_else(|| malformed("board: expected letters and digits"))?);
        Ok(())
    }
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::QueryMalformed).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str) -> Result<Question, &'static str> {
        let pairs = query.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        });
        Question::read(pairs.collect()).map_err(|problem| problem.code())
    }

    #[test]
    fn questions_become_ids() {
        let driver = "NV_GPU_DRIVER_GH100_550.90.07";
        let table = [
            (format!("rim={driver}&rim={driver}"), vec![driver], None),
            (
                "arch=HOPPER&driver=550.90.07".to_owned(),
                vec![driver],
                None,
            ),
            (
                "arch=hopper&driver=550.90.07&vbios=96.00.9f.00.01".to_owned(),
                vec![driver],
                Some("96009F0001"),
            ),
            (
                "arch=HOPPER&vbios=96.00.9F.00.01&project=1010&project_sku=0200&chip_sku=882"
                    .to_owned(),
                vec!["NV_GPU_VBIOS_1010_0200_882_96009F0001"],
                None,
            ),
            (
                "arch=BLACKWELL&driver=575.32".to_owned(),
                vec!["NV_GPU_CC_DRIVER_GB100_575.32"],
                None,
            ),
            (
                "arch=BLACKWELL&driver=575.32&chip=GB102".to_owned(),
                vec!["NV_GPU_CC_DRIVER_GB102_575.32"],
                None,
            ),
            (
                "driver=575.32&chip=GB102".to_owned(),
                vec!["NV_GPU_CC_DRIVER_GB102_575.32"],
                None,
            ),
            (
                "vbios=96.00.9F.00.01&project=1010&project_sku=0200&chip_sku=882".to_owned(),
                vec!["NV_GPU_VBIOS_1010_0200_882_96009F0001"],
                None,
            ),
            (
                "arch=LS10&vbios=96.10.55.00.01".to_owned(),
                vec!["NV_SWITCH_BIOS_5612_0002_890_9610550001"],
                None,
            ),
        ];
        for (query, ids, any_board) in table {
            let question = question(&query).unwrap();
            assert_eq!(question.ids, ids, "{query}");
            let digits = question.vbios_of_any_board.map(|board| board.digits);
            assert_eq!(digits.as_deref(), any_board, "{query}");
            assert_eq!(question.driver_of_any_arch, None, "{query}");
        }
    }

    #[test]
    fn without_an_architecture_both_versions_stand_for_whatever_there_is() {
        let question = question("driver=550.90.07&vbios=96.00.9f.00.01").unwrap();
        let expected = Question {
            ids: Vec::new(),
            vbios_of_any_board: Some(AnyBoard {
                digits: "96009F0001".to_owned(),
                prefixes: &[GPU_PREFIX, SWITCH_PREFIX],
            }),
            driver_of_any_arch: Some("550.90.07".to_owned()),
        };
        assert_eq!(question, expected);
    }

    #[test]
    fn other_questions_are_refused() {
        let seventeen = vec!["rim=NV_GPU_DRIVER_GH100_1"; 17].join("&");
        let long = format!("arch=HOPPER&driver={}", "1".repeat(129));
        let table = [
            "",
            "rim=",
            "rim=ids",
            "rim=../secret",
            "rim=NV_GPU_DRIVER_GH100_1&arch=HOPPER",
            &seventeen,
            &long,
            "arch=HOPPER",
            "driver=../x",
            "chip=GB100",
            "vbios=96.00.9F.00.01&chip=GB100",
            "arch=VOLTA&driver=550.90.07",
            "arch=HOPPER&driver=../x",
            "arch=HOPPER&driver=1&driver=2",
            "arch=HOPPER&driver=1&colour=red",
            "arch=LS10&driver=550.90.07",
            "arch=LS10&vbios=96.10.55.00.01&project=1&project_sku=2&chip_sku=3",
            "arch=HOPPER&vbios=96.00.9F.00",
            "arch=HOPPER&vbios=zz.00.9F.00.01",
            "arch=HOPPER&vbios=96.00.9F.00.01&project=1010",
            "arch=HOPPER&vbios=96.00.9F.00.01&project=1/0&project_sku=1&chip_sku=1",
            "arch=HOPPER&driver=1&project=1010&project_sku=1&chip_sku=1",
            "arch=HOPPER&vbios=96.00.9F.00.01&chip=GB100",
        ];
        for query in table {
            assert_eq!(question(query), Err("query_malformed"), "{query}");
        }
    }
}
