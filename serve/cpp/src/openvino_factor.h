// How OpenVINO computes an attention module's output fastest; see ran_deploy/runtime/openvino_factor.py.
#pragma once

#include <memory>

#include <openvino/core/model.hpp>

namespace rd {

// Rewrite each T + M·T as (1 + M)·T where nothing else reads M·T.
void factor_masks(const std::shared_ptr<ov::Model>& model);

}  // namespace rd
