mod bf16;
pub mod tensor_core;
pub use bf16::Bf16;
