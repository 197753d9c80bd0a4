"""The model folder that every tool starts from, and the training state that a run resumes from.

Begin with `model_folder.py`.

Order, highest first; each imports only from below:

- hub_model · given_weights · model_source
- onnx
- table_model
- model_folder · state_folder
- network_of_folder
- model_config · savable · training_state · weights_file
- migration · pytorch_file · strict_json
"""
