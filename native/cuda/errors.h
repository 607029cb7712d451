#pragma once

#include <stdexcept>

namespace lockstep::cuda {

/** There is no usable device, or it failed; the message is a sentence with the remedy. */
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** Data set or batch need more memory than the device has. */
class DeviceMemoryError : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

}  // namespace lockstep::cuda
