#include "cuda/device.h"

namespace lockstep::cuda {

void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  switch (error) {
    case cudaErrorNoDevice:
      throw DeviceError("there is no CUDA device: use another engine, or a machine with an NVIDIA GPU");
    case cudaErrorInsufficientDriver:
      throw DeviceError("the NVIDIA driver is missing or too old for this build: install a current one");
    case cudaErrorMemoryAllocation:
      throw DeviceMemoryError("the CUDA device ran out of memory: end other programs that use it, or use fewer rows");
    case cudaErrorNoKernelImageForDevice:
      throw DeviceError("this build has no code for the CUDA device: build it with LOCKSTEP_CUDA_ARCHITECTURES set to the "
                        "device's compute capability, 7.5 or later");
    default:
      throw DeviceError(std::string("the CUDA device failed (") + cudaGetErrorString(error) +
                        "): start the program again, and check the device with nvidia-smi");
  }
}

DeviceInfo device_info() {
  int count = 0;
  check(cudaGetDeviceCount(&count));
  if (count == 0) check(cudaErrorNoDevice);
  check(cudaSetDevice(0));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0));
  DeviceInfo info;
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  check(cudaDeviceGetAttribute(&info.processors, cudaDevAttrMultiProcessorCount, 0));
  int shared = 0;
  check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  info.shared_bytes = static_cast<size_t>(shared);
  size_t free_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &info.memory_bytes));
  return info;
}

size_t free_memory() {
  size_t free_bytes = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free_bytes, &total));
  return free_bytes;
}

#ifdef LOCKSTEP_CUDA_EMULATION

Graph::~Graph() = default;

void Graph::launch(const Stream&) const { queue_(); }

#else

Graph::~Graph() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void Graph::begin(const Stream& stream) {
  check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
}

void Graph::end(const Stream& stream) {
  cudaGraph_t captured = nullptr;
  check(cudaStreamEndCapture(stream.get(), &captured));
  const cudaError_t error = cudaGraphInstantiate(&graph_, captured, 0);
  cudaGraphDestroy(captured);
  check(error);
}

void Graph::launch(const Stream& stream) const { check(cudaGraphLaunch(graph_, stream.get())); }

#endif

Profile* Profile::active_ = nullptr;

Profile::Profile() {
  check(cudaEventCreate(&start_));
  check(cudaEventCreate(&end_));
  active_ = this;
}

Profile::~Profile() {
  active_ = nullptr;
  cudaEventDestroy(start_);
  cudaEventDestroy(end_);
}

Profile::Scope::Scope(const Stream& stream, const char* name) : stream_(stream), name_(name) {
  if (active_ != nullptr) cudaEventRecord(active_->start_, stream_.get());
}

Profile::Scope::~Scope() {
  if (active_ == nullptr) return;
  float milliseconds = 0;
  // A failure shows at the next call that is checked.
  cudaEventRecord(active_->end_, stream_.get());
  cudaEventSynchronize(active_->end_);
  cudaEventElapsedTime(&milliseconds, active_->start_, active_->end_);
  Entry& entry = active_->entries_[name_];
  entry.milliseconds += static_cast<double>(milliseconds);
  ++entry.launches;
}

}  // namespace lockstep::cuda
