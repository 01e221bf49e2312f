//! One graph, from the file in 32 bits to the quantised one.

use std::path::Path;

use super::{
    Format, GraphReport, QuantizeError, QuantizeEvent,
    blocks::{Matrix, pack},
    rewrite::{DOMAIN, Need, Plan, Rewrite, quantised_operator},
    store::{INLINE_LIMIT, Store},
    weights::subgraphs_mut,
};
use crate::{
    error::ExecutorError,
    onnx::{
        OnnxModel,
        proto::{EXTERNAL, GraphProto, ModelProto, OperatorSetIdProto, TensorProto},
    },
};

/// `TensorProto.DataType` of codes and of scales.
const UINT8: i32 = 2;
const FLOAT32: i32 = 1;

/// Quantises the matrices of a graph, and writes the graph to `target`: whole, or not at all. One matrix at a time is
/// in memory beside what the file of the graph holds. The same file gives the same bytes.
pub fn quantize_graph(
    source: &Path,
    target: &Path,
    format: Format,
    watch: &dyn Fn(QuantizeEvent<'_>),
) -> Result<GraphReport, ExecutorError> {
    quantize_with_limit(source, target, format, watch, INLINE_LIMIT)
}

pub(super) fn quantize_with_limit(
    source: &Path,
    target: &Path,
    format: Format,
    watch: &dyn Fn(QuantizeEvent<'_>),
    limit: u64,
) -> Result<GraphReport, ExecutorError> {
    let mut model = OnnxModel::read(source)?;
    let mut graph = model.proto.graph.take().unwrap_or_default();
    if let Some(operator) = quantised_operator(&graph) {
        return Err(QuantizeError::AlreadyQuantised { path: source.to_owned(), operator: operator.to_owned() }.into());
    }
    let bytes_before = size(&model, &mut graph, None)?;
    let rewrite = Rewrite::new(&mut graph, format);
    rewrite.check(source)?;
    let bytes_after = size(&model, &mut graph, Some((&rewrite.plans, format)))?;
    let needs = || rewrite.plans.iter().flat_map(|plan| &plan.needs);
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    watch(QuantizeEvent::Begin { graph: &name, bytes: needs().map(Need::bytes).sum() });
    let mut fill = Fill { model: &model, format, store: Store::new(target, bytes_after, limit)?, watch };
    each_graph(&mut graph, &mut rewrite.plans.iter(), &mut |graph, plan| fill.constants(graph, plan))?;
    let store = fill.store;
    store.finish(&encode(model, graph))?;
    Ok(GraphReport {
        source: source.to_owned(),
        target: target.to_owned(),
        bytes_before,
        bytes_after,
        matrices: needs().count(),
        products: rewrite.products.clone(),
    })
}

/// Puts the constants into the graphs.
struct Fill<'a> {
    model: &'a OnnxModel,
    format: Format,
    store: Store,
    watch: &'a dyn Fn(QuantizeEvent<'_>),
}

impl Fill<'_> {
    fn constants(&mut self, graph: &mut GraphProto, plan: &Plan) -> Result<(), ExecutorError> {
        let mut packed = Vec::new();
        for need in &plan.needs {
            packed.extend(self.pack(graph, need)?);
            (self.watch)(QuantizeEvent::Packed { name: &need.name, bytes: need.bytes() });
        }
        graph.initializer.retain(|tensor| !plan.dead.contains(tensor.name()));
        graph.initializer.iter_mut().try_for_each(|tensor| self.keep(tensor))?;
        let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        let held = attributes.flat_map(|attribute| attribute.t.iter_mut().chain(&mut attribute.tensors));
        held.filter(|tensor| tensor.data_location() == EXTERNAL).try_for_each(|tensor| self.keep(tensor))?;
        graph.initializer.extend(packed);
        Ok(())
    }

    /// The codes and the scales of a matrix.
    fn pack(&mut self, graph: &GraphProto, need: &Need) -> Result<[TensorProto; 2], ExecutorError> {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == need.name);
        let missing = || ExecutorError::invalid(self.model.path(), &format!("it has no weights {}", need.name));
        let numbers = self.model.numbers(tensor.ok_or_else(missing)?)?;
        if !numbers.iter().all(|number| number.is_finite()) {
            let path = self.model.path().to_owned();
            return Err(QuantizeError::NotFinite { path, weight: need.name.clone() }.into());
        }
        let (inputs, outputs) = (need.inputs, need.outputs);
        let packed = pack(&Matrix { numbers: &numbers, inputs, outputs, layout: need.layout }, self.format);
        drop(numbers);
        let blocks = self.format.blocks(inputs);
        let codes = bare(&need.codes, UINT8, &[outputs, blocks, self.format.block_bytes()]);
        let scales = bare(&need.scales, FLOAT32, &[outputs * blocks]);
        let scale_bytes = packed.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        Ok([self.store.put(&codes, packed.codes)?, self.store.put(&scales, scale_bytes)?])
    }

    /// Keeps a constant as it is; only the file that it is in may change.
    fn keep(&mut self, tensor: &mut TensorProto) -> Result<(), ExecutorError> {
        let is_elsewhere = tensor.data_location() == EXTERNAL;
        if is_elsewhere || self.store.is_beside() {
            let bytes = if is_elsewhere { self.model.bytes(tensor)? } else { tensor.raw_data.take() };
            if let Some(bytes) = bytes {
                *tensor = self.store.put(tensor, bytes)?;
            }
        }
        Ok(())
    }
}

fn bare(name: &str, element: i32, dims: &[usize]) -> TensorProto {
    let dims = dims.iter().map(|length| i64::try_from(*length).unwrap_or(i64::MAX)).collect();
    TensorProto { name: Some(name.to_owned()), data_type: Some(element), dims, ..TensorProto::default() }
}

/// Bytes of the constants of a graph and those in it, as they are or as planned.
fn size(model: &OnnxModel, graph: &mut GraphProto, planned: Option<(&[Plan], Format)>) -> Result<u64, ExecutorError> {
    let mut total = 0;
    let (plans, format) = planned.map_or((None, None), |(plans, format)| (Some(plans), Some(format)));
    let nothing = Plan::default();
    let mut plans = plans.into_iter().flatten().chain(std::iter::repeat(&nothing));
    each_graph(graph, &mut plans, &mut |graph, plan| {
        let stays = |tensor: &&TensorProto| !plan.dead.contains(tensor.name());
        let held = graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
        for tensor in graph.initializer.iter().filter(stays).chain(held) {
            total += model.size(tensor)?;
        }
        let packed = |need: &Need| format.map_or(0, |format| format.size(need.inputs, need.outputs));
        total += plan.needs.iter().map(packed).sum::<u64>();
        Ok(())
    })?;
    Ok(total)
}

/// Does something with each graph and its plan, inner graphs before those around them: the order of the plans.
fn each_graph<'a>(
    graph: &mut GraphProto,
    plans: &mut dyn Iterator<Item = &'a Plan>,
    act: &mut dyn FnMut(&mut GraphProto, &Plan) -> Result<(), ExecutorError>,
) -> Result<(), ExecutorError> {
    for inner in graph.node.iter_mut().flat_map(subgraphs_mut) {
        each_graph(inner, plans, act)?;
    }
    plans.next().map_or(Ok(()), |plan| act(graph, plan))
}

/// The file of a graph, with the operator's domain among those that it uses.
fn encode(model: OnnxModel, graph: GraphProto) -> Vec<u8> {
    use prost::Message as _;
    let mut proto: ModelProto = model.proto;
    if proto.opset_import.iter().all(|set| set.domain() != DOMAIN) {
        proto.opset_import.push(OperatorSetIdProto { domain: Some(DOMAIN.to_owned()), version: Some(1) });
    }
    proto.graph = Some(graph);
    proto.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::onnx::proto::TensorProto;

    /// A model in which everything is in the graph's file, and one with files beside it.
    fn models() -> [PathBuf; 2] {
        let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models");
        [tests.join("merged/decoder_model_merged.onnx"), tests.join("genai-fp32/model.onnx")]
    }

    fn constants(path: &Path) -> (OnnxModel, Vec<TensorProto>) {
        let model = OnnxModel::read(path).unwrap();
        let constants = model.proto.graph.as_ref().unwrap().initializer.clone();
        (model, constants)
    }

    /// The limit is lowered: what lies beside a graph holds the same numbers as what is in it, each at a page.
    #[test]
    fn large_constants_lie_beside_the_graph() {
        let format = Format { bits: 8.try_into().unwrap(), block: super::super::BlockSize::default() };
        for source in models() {
            let root = tempfile::tempdir().unwrap();
            let paths = [root.path().join("inline.onnx"), root.path().join("beside.onnx")];
            quantize_with_limit(&source, &paths[0], format, &|_| (), u64::MAX).unwrap();
            let report = quantize_with_limit(&source, &paths[1], format, &|_| (), 0).unwrap();
            let [(inline, of_inline), (beside, of_beside)] = paths.each_ref().map(|path| constants(path));
            assert!(of_inline.iter().all(|tensor| tensor.data_location() != EXTERNAL));
            let apart: Vec<_> = of_beside.iter().filter(|tensor| tensor.data_location() == EXTERNAL).collect();
            assert!(apart.len() > report.matrices);
            for tensor in apart {
                let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).unwrap().value();
                assert_eq!(entry("location"), "beside.onnx_data");
                assert_eq!(entry("offset").parse::<u64>().unwrap() % 4096, 0);
            }
            assert_eq!(of_inline.len(), of_beside.len());
            let mut total = 0;
            for (one, two) in of_inline.iter().zip(&of_beside) {
                assert_eq!((one.name(), &one.dims, one.data_type), (two.name(), &two.dims, two.data_type));
                let bytes = inline.bytes(one).unwrap();
                assert_eq!(bytes, beside.bytes(two).unwrap());
                total += inline.size(one).unwrap();
            }
            assert!(report.bytes_after >= total && report.bytes_after < report.bytes_before);
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
        }
    }
}
