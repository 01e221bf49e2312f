//! Prints the JSON schema of tasks; `protocol/schema/task.schema.json` is its output.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "{:#}", xenon_protocol::task::task_schema())
}
