#include "openvino_factor.h"

#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/multiply.hpp>

namespace rd {
namespace {

using Value = ov::Output<ov::Node>;

// If `product` is M·T for the trunk T, and nothing else reads it, set M.
bool find_mask(const Value& product, const Value& trunk, Value& mask) {
    const auto node = product.get_node_shared_ptr();
    if (!ov::is_type<ov::op::v1::Multiply>(node) || product.get_target_inputs().size() != 1) return false;
    const Value first = node->input_value(0), second = node->input_value(1);
    if (first != trunk && second != trunk) return false;
    mask = first == trunk ? second : first;
    return mask.get_partial_shape() == trunk.get_partial_shape();
}

}  // namespace

void factor_masks(const std::shared_ptr<ov::Model>& model) {
    for (const std::shared_ptr<ov::Node>& total : model->get_ordered_ops()) {
        if (!ov::is_type<ov::op::v1::Add>(total)) continue;
        for (std::size_t place = 0; place < 2; ++place) {
            const Value trunk = total->input_value(place), product = total->input_value(1 - place);
            Value mask;
            if (!find_mask(product, trunk, mask)) continue;
            const auto one = ov::op::v0::Constant::create(mask.get_element_type(), ov::Shape{}, {1});
            const auto raised = std::make_shared<ov::op::v1::Add>(mask, one);
            total->output(0).replace(std::make_shared<ov::op::v1::Multiply>(trunk, raised)->output(0));
            break;
        }
    }
}

}  // namespace rd
