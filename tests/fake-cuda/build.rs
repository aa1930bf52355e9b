//! How the library is linked.
//!
//! It stays mapped after it is closed, as long as the process lives: threads that asked it to sign hold state whose
//! destructor is code of this library. And it is small, since each test copies it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete,--strip-all");
}
