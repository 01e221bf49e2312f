//! Compiles the contracts with forge and generates their Rust bindings.
//!
//! Runs again only when a contract, the compiler's configuration or the pinned libraries change.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

#[path = "src/pinned.rs"]
#[allow(unreachable_pub, reason = "public in the library that shares the file")]
mod pinned;

/// The contracts that get bindings.
const CONTRACTS: [&str; 7] = ["Node", "Task", "TaskQueue", "QoS", "NetworkStats", "Create3Factory", "Timelock"];

/// The enums that get bindings, each with the interface that defines it: the compiler's ABI knows them as numbers only.
const ENUMS: [(&str, &str); 6] = [
    ("Ending", "INetworkStats"),
    ("Intent", "INode"),
    ("Lapse", "INode"),
    ("Ruling", "INode"),
    ("State", "ITask"),
    ("Status", "INode"),
];

/// What decides the bytecode, relative to the workspace.
const INPUTS: [&str; 4] = ["contracts", "foundry.toml", "script/solc.cjs", "package-lock.json"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = generate() {
        error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
    }
}

fn generate() -> Outcome<()> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    watch(&workspace);
    compile(&forge(&workspace)?, &workspace)?;
    bind(&workspace, Path::new(&env::var("OUT_DIR")?))
}

fn watch(workspace: &Path) {
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo:rerun-if-changed=src/pinned.rs");
    println!("cargo:rerun-if-env-changed={}", pinned::variable("forge"));
}

/// The forge to use. One found by chance must be of the pinned version; one that was named is taken as it is.
fn forge(workspace: &Path) -> Outcome<PathBuf> {
    let wanted = pinned::FOUNDRY_VERSION;
    let complaint = |what: String| format!("XP-001: {what}: run `make setup`, or name forge {wanted} in XENON_FORGE");
    let forge = pinned::find("forge", workspace).ok_or_else(|| complaint(format!("forge {wanted} not found")))?;
    let run = Command::new(&forge).arg("--version").output();
    let run = run.map_err(|error| complaint(format!("{} does not run ({error})", forge.display())))?;
    let version = String::from_utf8_lossy(&run.stdout);
    if env::var_os(pinned::variable("forge")).is_none() && !version.contains(wanted) {
        return Err(complaint(format!("{} is another version than {wanted}", forge.display())).into());
    }
    Ok(forge)
}

/// Builds in forge's usual folders, so that `forge test` finds everything compiled.
fn compile(forge: &Path, workspace: &Path) -> Outcome<()> {
    let run = Command::new(forge).args(["build", "contracts", "--color", "never"]).current_dir(workspace).output()?;
    if run.status.success() {
        return Ok(());
    }
    let (stdout, stderr) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    Err(format!("XP-002: forge could not build the contracts: mend them, or run `make setup` if a library is missing\n{stdout}{stderr}").into())
}

/// Writes one Rust module for each contract, and the enums.
fn bind(workspace: &Path, out: &Path) -> Outcome<()> {
    let (mut bindings, mut immutables) = (String::new(), String::new());
    for contract in CONTRACTS {
        let text = fs::read_to_string(workspace.join(format!("out/{contract}.sol/{contract}.json")))?;
        let artifact: Value = serde_json::from_str(&text)?;
        let copy = out.join(format!("{contract}.json"));
        immutables += &immutables_binding(contract, &artifact);
        bindings += &contract_binding(contract, &copy);
        fs::write(copy, plain(artifact).to_string())?;
    }
    bindings.extend(["pub mod immutables {\n", &immutables, "}\n"]);
    for (name, interface) in ENUMS {
        let source = fs::read_to_string(workspace.join(format!("contracts/interfaces/{interface}.sol")))?;
        bindings += &enum_binding(name, &source).ok_or_else(|| format!("{interface} has no enum {name}"))?;
    }
    Ok(fs::write(out.join("bindings.rs"), bindings)?)
}

/// Keeps of an artifact what bindings need, without the names of value types (which are plain numbers in the ABI) and
/// with every struct in the module of the contract that uses it.
fn plain(mut artifact: Value) -> Value {
    let mut abi = artifact["abi"].take();
    simplify(&mut abi);
    json!({ "abi": abi, "bytecode": artifact["bytecode"], "deployedBytecode": artifact["deployedBytecode"] })
}

fn simplify(abi: &mut Value) {
    match abi {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(fields) => {
            if let Some(name) = fields.get("internalType").and_then(Value::as_str).map(unqualified) {
                fields.insert("internalType".into(), name.unwrap_or_else(|| fields["type"].clone()));
            }
            fields.values_mut().for_each(simplify);
        }
        _ => {}
    }
}

/// `struct INode.Counts[]` becomes `struct Counts[]`; what is no struct has no name.
fn unqualified(internal: &str) -> Option<Value> {
    let name = internal.strip_prefix("struct ")?;
    let (_, name) = name.rsplit_once('.').unwrap_or(("", name));
    Some(format!("struct {name}").into())
}

fn contract_binding(contract: &str, artifact: &Path) -> String {
    let path = artifact.display().to_string();
    format!("alloy::sol!(#[sol(abi, extra_derives(Debug, PartialEq, Eq))] {contract}, {path:?});\n")
}

/// Where in its code a contract has its immutables, whose values differ from deployment to deployment.
fn immutables_binding(contract: &str, artifact: &Value) -> String {
    let references = artifact["deployedBytecode"]["immutableReferences"].as_object();
    let places = references.into_iter().flat_map(|all| all.values()).filter_map(Value::as_array).flatten();
    let ranges: Vec<_> = places.map(|at| format!("{0}..{0} + {1}", at["start"], at["length"])).collect();
    format!("pub static {contract}: &[std::ops::Range<usize>] = &[{}];\n", ranges.join(", "))
}

/// The enum as the interface defines it: its declaration is also valid in bindings.
fn enum_binding(name: &str, source: &str) -> Option<String> {
    let start = source.find(&format!("enum {name} {{"))?;
    let end = start + source[start..].find('}')?;
    Some(format!("alloy::sol! {{ #[derive(Debug, PartialEq, Eq, Hash)] {} }}\n", &source[start..=end]))
}
