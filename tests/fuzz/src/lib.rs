//! What the fuzz targets hold: the properties of the test kit, compiled into this workspace by path.

#[path = "../../src/fuzz/properties/mod.rs"]
pub mod properties;
