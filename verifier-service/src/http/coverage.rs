//! `/v1/coverage`: could a device be appraised, as far as manifests go?

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use evidence::device::{
    Architecture, DeviceKind, driver_rim_id, is_rim_id, switch_bios_rim_id, vbios_rim_id,
};
use serde::Serialize;

use super::{App, rims};
use crate::collateral::Manifest;
use crate::problem::{Problem, ProblemCode};

/// Most manifests asked for at once, and most boards listed for one VBIOS.
const MAX_IDS: usize = 16;
/// Longest value of a parameter; ids have at most 128 characters.
const MAX_VALUE_BYTES: usize = 128;
/// What the id of a GPU's VBIOS manifest starts with.
const VBIOS_PREFIX: &str = "NV_GPU_VBIOS_";
/// Hexadecimal digits of a VBIOS version without its dots.
const VBIOS_DIGITS: usize = 10;
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
    /// A VBIOS version without its dots, on whatever board.
    vbios_of_any_board: Option<String>,
}

/// Says of each manifest that a device would ask for whether it is at hand and good now. `covered` is what it says of
/// all together; of a VBIOS without its board, for the boards listed.
pub(super) async fn read(
    State(app): State<App>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = query.map_err(|_| malformed("expected name=value pairs"))?;
    let question = Question::read(parameters)?;
    let mut ids = question.ids;
    let mut unknown = None;
    if let Some(digits) = question.vbios_of_any_board {
        let boards = boards_with(&rims::known_ids(&app).await?, &digits);
        unknown = boards
            .is_empty()
            .then(|| Manifest::of_unknown_board(&digits));
        ids.extend(boards);
    }
    let found = rims::obtain(&app, ids).await;
    let as_of = app.clock.now();
    let manifests = found
        .iter()
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

/// The ids at hand that end in this version.
fn boards_with(known: &[String], digits: &str) -> Vec<String> {
    let suffix = format!("_{digits}");
    let boards = known
        .iter()
        .filter(|id| id.starts_with(VBIOS_PREFIX) && id.ends_with(&suffix));
    boards.take(MAX_IDS).cloned().collect()
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
            _ => Err(malformed(
                "expected either rim, or arch and driver or vbios",
            )),
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
            vbios_of_any_board: None,
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
        let arch = of
            .remove("arch")
            .and_then(|arch| Architecture::parse(&arch));
        let arch = arch.ok_or_else(|| malformed("arch: expected HOPPER, BLACKWELL or LS10"))?;
        let (driver, vbios) = (of.remove("driver"), of.remove("vbios"));
        if driver.is_none() && vbios.is_none() {
            return Err(malformed("expected driver or vbios"));
        }
        let mut question = Self::default();
        if let Some(driver) = driver {
            let id = driver_rim_id(arch, of.remove("chip").as_deref(), &driver);
            let id = id.filter(|id| is_rim_id(id));
            question.ids.push(id.ok_or_else(|| {
                malformed(
                    "driver: expected the version of a GPU's driver, of letters, digits and dots",
                )
            })?);
        }
        if let Some(vbios) = vbios {
            question.add_vbios(arch, &vbios, &mut of)?;
        }
        match of.is_empty() {
            true => Ok(question),
            false => Err(malformed("a parameter that does not go with the others")),
        }
    }

    fn add_vbios(
        &mut self,
        arch: Architecture,
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
        let id = match (arch.kind(), board) {
            (DeviceKind::Switch, [None, None, None]) => switch_bios_rim_id(version),
            (DeviceKind::Gpu, [None, None, None]) => {
                self.vbios_of_any_board = Some(digits);
                return Ok(());
            }
            (DeviceKind::Gpu, [Some(project), Some(project_sku), Some(chip_sku)]) => {
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
                "arch=LS10&vbios=96.10.55.00.01".to_owned(),
                vec!["NV_SWITCH_BIOS_5612_0002_890_9610550001"],
                None,
            ),
        ];
        for (query, ids, any_board) in table {
            let question = question(&query).unwrap();
            assert_eq!(question.ids, ids, "{query}");
            assert_eq!(question.vbios_of_any_board.as_deref(), any_board, "{query}");
        }
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
            "driver=550.90.07",
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
