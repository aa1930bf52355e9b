//! The agent from outside: its library as the demonstration calls it, its command as people do.

mod binary;
mod bundle;
mod command;
mod command_socket;
mod derivations;
mod doctor;
mod kit;
mod recovery;
mod serve;
mod server;
mod submission;
