# Which of upstream's tests: of what reads a constant, a text, a table or a state, of conversions
# between types, and some of the arithmetic that networks are made of.
set(KERNEL_TESTS
  bitcast
  bucketize
  call_once
  cast
  complex_support
  conv
  dequantize
  embedding_lookup
  embedding_lookup_sparse
  hashtable_lookup
  hashtable_ops
  lsh_projection
  optional_tensor
  pack
  quant_basic_lstm
  quantize
  skip_gram
  sparse_to_dense
  strided_slice
  variable_ops
)
