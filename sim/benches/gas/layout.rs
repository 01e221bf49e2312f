//! The names of storage slots, from the compiler's storage layouts and the hashes seen.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use alloy::{
    primitives::{Bytes, U256, keccak256},
    sol_types::SolValue as _,
};
use eyre::{Context as _, Result, ensure, eyre};
use serde::Deserialize;

/// Slots behind a hash that can belong to the element of a mapping: no struct here is longer.
const LONGEST_ELEMENT: u64 = 16;

/// A variable of a contract, or a member of a struct.
#[derive(Clone, Debug, Deserialize)]
struct Variable {
    label: String,
    slot: U256,
    #[serde(rename = "type")]
    type_id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    label: String,
    number_of_bytes: U256,
    /// Of mappings.
    key: Option<String>,
    value: Option<String>,
    /// Of structs.
    #[serde(default)]
    members: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    #[serde(rename = "deployedBytecode")]
    deployed: Deployed,
    #[serde(rename = "storageLayout")]
    layout: Option<Layout>,
}

#[derive(Debug, Deserialize)]
struct Deployed {
    object: Bytes,
}

/// Where a contract keeps what.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Layout {
    storage: Vec<Variable>,
    types: BTreeMap<String, Type>,
}

/// The value that a slot holds or belongs to.
struct Place {
    name: String,
    type_id: String,
}

impl Layout {
    /// Reads the layout of `contract` from what forge compiled, if that is the code in use.
    pub(crate) fn read(contract: &str, code: &Bytes) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../out/{contract}.sol/{contract}.json"));
        let text = fs::read_to_string(&path).wrap_err_with(|| format!("reading {}", path.display()))?;
        let artifact: Artifact = serde_json::from_str(&text).wrap_err_with(|| format!("reading {}", path.display()))?;
        let same = artifact.deployed.object == *code;
        ensure!(same, "{} was compiled after this program: run it again", path.display());
        artifact.layout.ok_or_else(|| eyre!("{} has no storage layout: remove out/ and cache/", path.display()))
    }

    /// The slot of the element `key` of the mapping at `path`, from the variable to the innermost member.
    pub(crate) fn element_slot(&self, path: &[&str], key: U256) -> Option<U256> {
        let (mut members, mut slot) = (&self.storage, U256::ZERO);
        for label in path {
            let member = members.iter().find(|member| member.label == *label)?;
            slot += member.slot;
            members = &self.types.get(&member.type_id)?.members;
        }
        Some(keccak256((key, slot).abi_encode()).into())
    }

    /// The name of `slot`, such as `_tasks[task]`, or its number when the layout does not know it.
    pub(crate) fn name(&self, slot: U256, preimages: &HashMap<U256, (U256, U256)>) -> String {
        self.place(slot, preimages).map_or_else(|| format!("{slot:#x}"), |place| place.name)
    }

    fn place(&self, slot: U256, preimages: &HashMap<U256, (U256, U256)>) -> Option<Place> {
        self.member(&self.storage, slot, "").or_else(|| self.element(slot, preimages))
    }

    /// What `slot` is as (a part of) an element of a mapping.
    fn element(&self, slot: U256, preimages: &HashMap<U256, (U256, U256)>) -> Option<Place> {
        let mut offsets = (0..LONGEST_ELEMENT).map(U256::from);
        let (offset, (_, base)) = offsets.find_map(|it| Some((it, preimages.get(&slot.wrapping_sub(it))?)))?;
        let mapping = self.place(*base, preimages)?;
        let mapping_type = self.types.get(&mapping.type_id)?;
        let key = key_name(&self.types.get(mapping_type.key.as_ref()?)?.label);
        let name = format!("{}[{key}]", mapping.name);
        Some(self.inside(name, mapping_type.value.clone()?, offset))
    }

    /// The innermost part of a value at `offset` slots from its start. Values that share the slot are named together.
    fn inside(&self, name: String, type_id: String, offset: U256) -> Place {
        let members = self.types.get(&type_id).map_or(&[][..], |found| &found.members);
        if members.iter().all(|member| member.slot.is_zero()) && members.len() > 1 {
            return Place { name, type_id };
        }
        self.member(members, offset, &format!("{name}.")).unwrap_or(Place { name, type_id })
    }

    fn member(&self, members: &[Variable], slot: U256, prefix: &str) -> Option<Place> {
        let here: Vec<_> = members.iter().filter(|member| self.covers(member, slot)).collect();
        let first = here.first()?;
        if here.len() == 1 {
            return Some(self.inside(format!("{prefix}{}", first.label), first.type_id.clone(), slot - first.slot));
        }
        let labels: Vec<_> = here.iter().map(|member| format!("{prefix}{}", member.label)).collect();
        Some(Place { name: labels.join(", "), type_id: first.type_id.clone() })
    }

    fn covers(&self, member: &Variable, slot: U256) -> bool {
        let bytes = self.types.get(&member.type_id).map_or(U256::ONE, |found| found.number_of_bytes);
        let slots = bytes.div_ceil(U256::from(32));
        slot >= member.slot && slot - member.slot < slots
    }
}

/// Keys are named for their types: `TaskId` is a task.
fn key_name(label: &str) -> String {
    label.strip_suffix("Id").unwrap_or(label).to_lowercase()
}
