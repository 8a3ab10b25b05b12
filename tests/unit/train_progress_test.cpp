// What training prints: Keras' lines, and the live line of terminals.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>

#include "octavo/train/progress.hpp"

using namespace octavo;
using namespace octavo::train;

TEST_CASE("the printed lines are Keras'") {
  std::ostringstream out;
  Progress progress(&out, Verbosity::automatic);
  EpochResult result;
  result.loss = 0.51034;
  result.accuracy = 0.81944;
  result.val_loss = 0.4;
  result.val_accuracy = 0.9;
  result.seconds = 38.0;
  progress.begin_epoch(2, 20, 438);
  progress.step(1, 32, 2.0, 0.1);
  progress.end_epoch(result);
  // No terminal: no live line.
  CHECK(out.str() ==
        "Epoch 3/20\n438/438 [==============================] - 38s 87ms/step - loss: 0.5103 - accuracy: 0.8194 - "
        "val_loss: 0.4000 - val_accuracy: 0.9000\n");
}

TEST_CASE("silent prints nothing") {
  std::ostringstream out;
  Progress progress(&out, Verbosity::silent);
  progress.begin_epoch(0, 1, 1);
  progress.end_epoch({});
  progress.say("done");
  CHECK(out.str().empty());
}

TEST_CASE("the live line shows step, time left and images a second, and is wiped") {
  std::ostringstream out;
  Progress progress(&out, Verbosity::automatic, true);
  progress.begin_epoch(0, 1, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  progress.step(100, 3200, 0.5, 0.75);
  CHECK(out.str().find("\r100/200 [===============>..............] - ETA: 0s - loss: 0.5000 - accuracy: 0.7500 - ") !=
        std::string::npos);
  CHECK(out.str().find(" images/s") != std::string::npos);
  const std::size_t live = out.str().size();
  progress.step(101, 3232, 0.5, 0.75);  // too soon
  CHECK(out.str().size() == live);
  EpochResult result;
  result.loss = 0.25;
  result.accuracy = 1.0;
  result.seconds = 38.0;
  progress.end_epoch(result);
  CHECK(out.str().ends_with(
      "\r200/200 [==============================] - 38s 190ms/step - loss: 0.2500 - accuracy: 1.0000\n"));
}
